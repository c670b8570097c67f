# ruff: noqa: E501 - one formula a line
"""Formulas as models write them, one a line: those that must be drawn, and those that stay as they are written."""

from __future__ import annotations

DRAWN = r"""
E = mc^2
a^2 + b^2 = c^2
\frac{-b \pm \sqrt{b^2 - 4ac}}{2a}
\int_0^\infty e^{-x^2}\,dx = \frac{\sqrt{\pi}}{2}
\sum_{n=1}^{\infty} \frac{1}{n^2} = \frac{\pi^2}{6}
\lim_{x \to 0} \frac{\sin x}{x} = 1
f'(x) = 3x^2 + 4x - 5
\frac{d}{dx}\left(x^n\right) = n x^{n-1}
\begin{pmatrix} a & b \\ c & d \end{pmatrix}
\begin{bmatrix} 1 & 0 & 0 \\ 0 & 1 & 0 \\ 0 & 0 & 1 \end{bmatrix}
\begin{vmatrix} a & b \\ c & d \end{vmatrix} = ad - bc
\begin{cases} x + y = 5 \\ x - y = 1 \end{cases}
f(x) = \begin{cases} x^2 & \text{if } x \ge 0 \\ -x & \text{otherwise} \end{cases}
\begin{aligned} 2x + 3 &= 7 \\ 2x &= 4 \\ x &= 2 \end{aligned}
\begin{align*} (a+b)^2 &= a^2 + 2ab + b^2 \\ (a-b)^2 &= a^2 - 2ab + b^2 \end{align*}
\begin{pmatrix} a & b \\ c & d \end{pmatrix}^{-1} = \frac{1}{ad-bc}\begin{pmatrix} d & -b \\ -c & a \end{pmatrix}
A = \begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}^T
\mathop{\mathrm{argmax}}_{\theta} \; p(\theta \mid D)
\bigl\lfloor x \bigr\rfloor + \big\| y \big\| + 1 + \dots + n \not= 0
\boxed{42}
\boxed{x = \frac{3}{4}}
\vec{F} = m\vec{a}
\nabla \times \mathbf{E} = -\frac{\partial \mathbf{B}}{\partial t}
\nabla \cdot \mathbf{D} = \rho
\oint_C \mathbf{F} \cdot d\mathbf{r} = \iint_S (\nabla \times \mathbf{F}) \cdot d\mathbf{S}
\hat{H}\psi = E\psi
i\hbar \frac{\partial}{\partial t} \Psi(\mathbf{r}, t) = \left[ -\frac{\hbar^2}{2m} \nabla^2 + V(\mathbf{r}, t) \right] \Psi(\mathbf{r}, t)
P(A \mid B) = \frac{P(B \mid A) P(A)}{P(B)}
\binom{n}{k} = \frac{n!}{k!(n-k)!}
\mathbb{E}[X] = \int_{-\infty}^{\infty} x f(x)\, dx
\operatorname{Var}(X) = \mathbb{E}[X^2] - (\mathbb{E}[X])^2
\sigma = \sqrt{\frac{1}{N} \sum_{i=1}^{N} (x_i - \mu)^2}
\text{softmax}(z_i) = \frac{e^{z_i}}{\sum_{j=1}^{K} e^{z_j}}
\text{Attention}(Q, K, V) = \text{softmax}\left(\frac{QK^\top}{\sqrt{d_k}}\right)V
\mathcal{L} = -\sum_{i} y_i \log(\hat{y}_i)
\theta_{t+1} = \theta_t - \eta \nabla_\theta J(\theta_t)
\mathcal{O}(n \log n)
\Theta(2^n)
\forall \varepsilon > 0\, \exists \delta > 0 : |x - a| < \delta \implies |f(x) - L| < \varepsilon
A \cup B = \{ x \mid x \in A \lor x \in B \}
A \subseteq B \iff \forall x (x \in A \Rightarrow x \in B)
\neg (p \land q) \equiv \neg p \lor \neg q
x \in \mathbb{R}, \; n \in \mathbb{N}, \; z \in \mathbb{C}, \; q \in \mathbb{Q}
\sqrt[3]{27} = 3
\sqrt{1 + \sqrt{1 + \sqrt{1 + x}}}
\frac{\frac{a}{b}}{\frac{c}{d}} = \frac{ad}{bc}
\cfrac{1}{1 + \cfrac{1}{1 + \cfrac{1}{x}}}
\left( \frac{1}{2} \right)^{n+1}
\left[ \sum_{k=0}^{n} \binom{n}{k} x^k \right]_{x=1}
\left. \frac{dy}{dx} \right|_{x=0}
\overline{AB} \parallel \overline{CD}
\angle ABC = 90^\circ
\triangle ABC \sim \triangle DEF
\sin^2\theta + \cos^2\theta = 1
e^{i\pi} + 1 = 0
\ln(ab) = \ln a + \ln b
\log_2 8 = 3
x_{1,2} = \frac{-p}{2} \pm \sqrt{\left(\frac{p}{2}\right)^2 - q}
\prod_{p \text{ prime}} \frac{1}{1 - p^{-s}}
a \equiv b \pmod{n}
\gcd(a, b) \cdot \operatorname{lcm}(a, b) = |ab|
\lfloor x \rfloor \le x < \lfloor x \rfloor + 1
\lceil \log_2 n \rceil
\|x\|_2 = \sqrt{x^\top x}
\langle u, v \rangle = \bar{u} \cdot v
\det(A - \lambda I) = 0
A = U \Sigma V^{\top}
\mathbf{A}^{-1} = \frac{1}{\det \mathbf{A}} \operatorname{adj}(\mathbf{A})
\frac{\partial^2 u}{\partial t^2} = c^2 \nabla^2 u
\dot{x} = Ax + Bu, \quad \ddot{y} + \omega^2 y = 0
\underbrace{1 + 2 + \dots + n}_{n \text{ terms}} = \frac{n(n+1)}{2}
\overbrace{a + a + \cdots + a}^{n}
\underset{x \in \mathcal{X}}{\arg\max}\; f(x)
\max_{1 \le i \le n} a_i
\lim_{n \to \infty} \left(1 + \frac{1}{n}\right)^n = e
\int_a^b f(x)\,dx = F(b) - F(a)
\iint_D f(x,y)\,dA
\int \frac{dx}{1+x^2} = \arctan x + C
\ce{H2O}
2\mathrm{H}_2 + \mathrm{O}_2 \rightarrow 2\mathrm{H}_2\mathrm{O}
\mathrm{pH} = -\log_{10}[\mathrm{H}^+]
v = 3.0 \times 10^8\ \text{m/s}
5\,\text{kg} \cdot 9.81\,\frac{\text{m}}{\text{s}^2} = 49.05\,\text{N}
20\% \text{ of } \$50 = \$10
\color{red}{x} + \color{blue}{y}
\textcolor{red}{\text{wrong}}
\xrightarrow{\text{heat}}
\stackrel{\text{def}}{=}
\tilde{x}, \hat{y}, \bar{z}, \vec{v}, \dot{a}, \ddot{b}, \widehat{ABC}
\alpha, \beta, \gamma, \delta, \epsilon, \varepsilon, \zeta, \eta, \theta, \vartheta, \iota, \kappa, \lambda, \mu
\Gamma, \Delta, \Theta, \Lambda, \Xi, \Pi, \Sigma, \Upsilon, \Phi, \Psi, \Omega
\le, \ge, \neq, \approx, \sim, \simeq, \cong, \propto, \ll, \gg, \pm, \mp, \times, \div, \cdot, \ast, \circ, \oplus, \otimes
\leftarrow, \Rightarrow, \Leftrightarrow, \mapsto, \to, \uparrow, \downarrow, \hookrightarrow, \rightleftharpoons
\mathcal{ABC}, \mathbb{RNZQC}, \mathfrak{g}, \mathbf{x}, \mathrm{d}x, \mathsf{T}, \mathit{it}, \mathtt{code}
\text{速度} = \frac{\text{路程}}{\text{时间}}
\text{Скорость} = \frac{s}{t}
\displaystyle \sum_{i=0}^{n} i
\textstyle \sum_{i=0}^{n} i
x^{y^{z}}, \; x_{i_{j}}, \; {x^2}_1
\big( \Big( \bigg( \Bigg( x \Bigg) \bigg) \Big) \big)
\dfrac{1}{2} + \tfrac{1}{3}
\not\in, \notin, \nexists, \varnothing, \emptyset, \infty, \partial, \nabla, \aleph
\begin{array}{c|cc} & 0 & 1 \\ \hline 0 & 0 & 0 \\ 1 & 0 & 1 \end{array}
\begin{gathered} a = b \\ c = d \end{gathered}
\left\{ \begin{array}{l} x > 0 \\ y < 1 \end{array} \right.
\substack{i < n \\ j < m}
\sum_{\substack{1 \le i \le n \\ i \ne j}} a_{ij}
\phantom{x} y \quad z \qquad w \, a \; b \! c
\mathbf{x}_{t} = \sqrt{\bar{\alpha}_t}\,\mathbf{x}_0 + \sqrt{1-\bar{\alpha}_t}\,\boldsymbol{\epsilon}
D_{\mathrm{KL}}(P \,\|\, Q) = \sum_{x} P(x) \log \frac{P(x)}{Q(x)}
\hat{\beta} = (X^\top X)^{-1} X^\top y
\tag{1} a = b
\label{eq:1} y = mx + c
\operatorname*{argmin}_{w} \tfrac{1}{2}\lVert Xw - y \rVert_2^2 + \lambda \lVert w \rVert_1
\therefore x = 2 \quad \because x^2 = 4
\cancel{x} + y
\mathrm{d}S = \frac{\delta Q_{\mathrm{rev}}}{T}
R_{\mu\nu} - \tfrac{1}{2} R g_{\mu\nu} + \Lambda g_{\mu\nu} = \frac{8\pi G}{c^4} T_{\mu\nu}
\psi(x) = A e^{ikx} + B e^{-ikx}
\frac{1}{f} = \frac{1}{d_o} + \frac{1}{d_i}
\zeta(s) = \sum_{n=1}^\infty n^{-s}, \quad \Re(s) > 1
\ce{2H2 + O2 -> 2H2O}
\ce{CO3^{2-} + 2H+ -> CO2 ^ + H2O}
\ce{SO4^2-}, \ce{Fe^3+}, \ce{NH4+}, \ce{Ca(OH)2}, \ce{CuSO4.5H2O}
\ce{A <=> B}, \ce{^{14}_{6}C}, \ce{CH3-CH2-OH (aq)}
\xrightarrow[\Delta]{\text{cat.}} B \xleftarrow{abc} C
A \overset{!}{=} B, a \stackrel{\text{def}}{=} b
\begin{align} x &= 1 \tag{1} \\ y &= 2 \tag{2} \end{align}
x = 1 \tag{3.2}
\left(\begin{array}{cc|c} 1 & 2 & 3 \\ 4 & 5 & 6 \end{array}\right)
\begin{array}{|c|c|} \hline a & b \\ \hline c & d \\ \hline \end{array}
a &= b + c \\ &= d
a = b \\ c = d
\begin{equation} a = b \end{equation}
\begin{equation*}\begin{split} a &= b \\ &= c \end{split}\end{equation*}
\text{if $x > 0$ then } y
\mathbb{1}_{\{x > 0\}}
\mathbf{1}, \bm{v}, \boldsymbol{\alpha}, \pmb{x}
\cancelto{0}{x}, \bcancel{y}, \xcancel{z}, \sout{abc}
\overrightarrow{AB}, \overleftarrow{AB}, \underline{x+y}, \overleftrightarrow{AB}
f''(x), f'''(x), f^{(4)}(x), {f'}^2, x'_1
\lim_{x \to 0^+} \frac{1}{x} = +\infty
\limsup_{n\to\infty} a_n \geq \liminf_{n \to \infty} a_n
\int\limits_0^1 x dx, \sum\nolimits_{i=1}^n
\oint, \iiint, \bigcup_{i} A_i, \bigcap, \bigoplus, \coprod
\left\langle x \middle| y \right\rangle, \langle \psi | \phi \rangle, \ket{\psi}\bra{\phi}
\bigl( x \bigr), \Bigl[ y \Bigr], \bigg| z \bigg|_0^1
\hbar, \ell, \Re, \Im, \wp, \aleph, \nabla, \partial
x \in [0, 1), \quad (a, b], -5, +3, a = -b, (-x), a \cdot (-b)
\operatorname{arg\,max}_{x}, \operatorname{Re}(z), \operatorname*{arg\,min}_x f
\max\{a, b\}, \min(a, b), \exp(x), \log\left(\frac{x}{y}\right)
\begin{Bmatrix} a \\ b \end{Bmatrix}, \begin{Vmatrix} a & b \\ c & d \end{Vmatrix}
\begin{pmatrix} 1 & \cdots & 0 \\ \vdots & \ddots & \vdots \\ 0 & \cdots & 1 \end{pmatrix}
\begin{cases} 0, & \text{if } n = 0 \\[4pt] 1, & \text{if } n = 1 \\ F_{n-1} + F_{n-2}, & \text{otherwise} \end{cases}
\begin{rcases} a \\ b \end{rcases} \Rightarrow c
50\% = 0.5, 100% = 1
\$5.00 \times 3 = \$15.00
速度 = 距离 \div 时间
\text{面积} = \pi r^2 \approx 78.54\,\text{平方厘米}
\underbrace{a+b}_{\text{sum}} \overbrace{c+d}^{\text{sum}}
\color{red} x = 1
{\color{blue} y} + \textcolor{#ff0000}{z}
\frac12, \frac1x, \sqrt2, \sqrt[3]8, x^12
\dfrac{\partial f}{\partial x}\bigg|_{x=0}
\mathrm{km/h}, 9.8\ \mathrm{m/s^2}, 25^\circ\mathrm{C}, 10\,\mathrm{k\Omega}
\therefore \angle A = 60^{\circ}, \triangle ABC \cong \triangle DEF, AB \perp CD
P(X = k) = \binom{n}{k} p^k (1-p)^{n-k}
\sigma^2 = \frac{1}{N}\sum_{i=1}^{N}(x_i - \bar{x})^2
\hat{y} = \beta_0 + \beta_1 x_1 + \cdots + \beta_p x_p + \varepsilon
\vec{a} \cdot \vec{b} = \|\vec{a}\| \|\vec{b}\| \cos\theta
\mathcal{N}(\mu, \sigma^2), \mathscr{F}\{f(t)\}
\sqrt{\frac{a}{b}}, \sqrt{x^2 + \sqrt{y}}, \sqrt[n]{\frac{1}{2}}
\left\lfloor \frac{n}{2} \right\rfloor, \left\lceil x \right\rceil, \left\| v \right\|
a \mod b, a \bmod b, a \pmod b
\Pr[X \geq a] \le \frac{\mathbb{E}[X]}{a}
x \mapsto f(x), A \hookrightarrow B, \longrightarrow, \Longleftrightarrow
\begin{aligned} \dot{x} &= \sigma (y - x) \\ \dot{y} &= x (\rho - z) - y \\ \dot{z} &= xy - \beta z \end{aligned}
\textbf{Answer: } \boxed{\text{C}}
\boxed{\dfrac{1}{2}} \quad \fbox{done}
{n \choose k}, {a \over b}, \dbinom{n}{k}, \tbinom{n}{k}
\tilde{\mathbf{x}}, \bar{x}_{i}, \hat{\theta}_{\text{MLE}}, \overline{z_1 z_2}
\ldots, \cdots, \vdots, \ddots, \dots
\smash{x}, \vphantom{\sum} y, \hphantom{abc} z, \mathstrut
\rule{2em}{1pt}, \hspace{2em} a \hfill b
\prescript{14}{6}{C}, {}^{14}_{6}\mathrm{C}, {}_n C_r
\mathrm{Total\ cost} = 5 \times 3
\text{Total cost} = \text{price} \times \text{quantity} = 5 \times 3 = 15
\int_{-\infty}^{\infty} \! e^{-x^2} \, \mathrm{d}x
\frac{\mathrm{d}y}{\mathrm{d}x} = \lim_{h \to 0} \frac{f(x+h) - f(x)}{h}
\left| \frac{a}{b} \right| < 1, |x|, |-5| = 5, \lvert x \rvert
n! = n \times (n-1)!, 5!! , \Gamma(n+1)
1{,}000{,}000, 24,000
\{1, 2, 3\} \setminus \{2\}, A^c, A^{\complement}, \overline{A}
\nRightarrow, \nleq, \ngeq, \nsubseteq, \not=, \not\subset, \not\equiv
a \to b \gets c \uparrow \downarrow \updownarrow \nearrow \searrow
\begin{tabular}{ll} a & b \end{tabular}
\sum_{i=1}^{n} i = \frac{n(n+1)}{2} \text{ for all } n \in \mathbb{N}.
\lambda_{\max}, x_{\min}, T_{\text{max}}, \mu_{\mathrm{r}}
\frac{d^2 y}{dx^2} + p(x)\frac{dy}{dx} + q(x) y = 0
\mathbf{J} = \begin{bmatrix} \frac{\partial f_1}{\partial x_1} & \cdots \\ \vdots & \ddots \end{bmatrix}
x ≤ y, α + β → γ, √2 ≈ 1.414, a × b ÷ c, x² + y²
\verb|x|, \LaTeX
""".strip().splitlines()

KEPT = r"""
\frac{1}{2}\left(\frac{a}{b
\unknowncommand{x}
\uppercase{abc} x
\newcommand{\a}{b} \a
\def\a{\a\a}\a
\begin{nonsense} x \end{nonsense}
\begin{matrix} x
\left( x
x }
\includegraphics{x.png}
\rule{50em}{50em}
""".strip().splitlines()

# ruff: noqa: E501 - a table and a line of code must be long
"""The texts of the chats in the pictures."""

from __future__ import annotations

TITLES = {
    "Today": (
        "Letter to the landlord about the heating that has not worked since the beginning of February",
        "Regex for postal codes",
        "План поездки в Казань",
    ),
    "Yesterday": ("为什么天空是蓝色的？", "شرح خوارزمية الفرز السريع", "Birthday speech"),
    "Week": ("Sourdough without a scale", "Excel: sum by colour", "Names for a cat"),
    "Older": tuple(f"Notes of meeting {number}" for number in range(1, 25)),
}

QUESTION = "Show me what you can write: headings, lists, quotes, links, all of it."

TEXTS = """\
# A heading of the first order

Plain text with **bold**, *italic*, ***both***, ~~struck~~, `inline code` and a [link](https://example.org/page) in it. \
A long paragraph shows how lines break: the quick brown fox jumps over the lazy dog, and then over it again, until the \
line is full and the next one begins.

## The second order

- one item
- another one, which is so long that it does not fit into one line of the column and therefore goes on in the next one, \
where it is indented
  - nested, with `code`
    - and nested again
- [x] a task that is done
- [ ] and one that is not

### The third order

1. first
2. second
   1. nested with a number
   2. and one more
3. third

> A quote, as people write them in letters.
>
> > And a quote in the quote.

---

#### The fourth order

Autolinks such as https://example.org/a/rather/long/address and a footnote-like mark.[^1]
"""

CODE = """\
Here is some Python:

```python
def primes(limit: int) -> list[int]:
    \"\"\"All prime numbers below ``limit``.\"\"\"
    sieve = [True] * limit
    for number in range(2, int(limit**0.5) + 1):
        if sieve[number]:
            sieve[number * number :: number] = [False] * len(sieve[number * number :: number])  # a line that is much longer than the column is wide, so that it has to be scrolled or wrapped
    return [number for number in range(2, limit) if sieve[number]]
```

and a block without a language:

```
$ ls -l
total 0
```

Call it with `primes(100)`.
"""

TABLES = """\
A small one:

| City | Inhabitants | Since |
| :--- | ---: | :---: |
| Kazan | 1,300,000 | 1005 |
| Hamburg | 1,900,000 | 808 |
| 杭州 | 12,200,000 | 589 |

and a wide one:

| Model | Parameters | Layers | Heads | KV heads | Context | Licence | Released | Languages | Thinking | Remarks |
| --- | ---: | ---: | ---: | ---: | ---: | --- | --- | ---: | --- | --- |
| Qwen3 4B | 4,022,468,096 | 36 | 32 | 8 | 40,960 | Apache-2.0 | April 2025 | 119 | when asked | The usual choice for a laptop |
| Qwen3 30B-A3B | 30,532,122,624 | 48 | 32 | 4 | 40,960 | Apache-2.0 | April 2025 | 119 | when asked | Mixture of experts, 3B active |

The end.
"""

CHINESE_QUESTION = "请解释一下快速排序，并给出一个 Python 例子。"
CHINESE = """\
**快速排序**是一种分治算法。它选择一个“基准”，把数组分成两部分：

1. 小于基准的元素；
2. 大于或等于基准的元素。

```python
def 排序(数组):
    return 数组 if len(数组) < 2 else 排序([x for x in 数组[1:] if x < 数组[0]]) + [数组[0]]
```

平均复杂度是 `O(n log n)`。
"""
ARABIC_QUESTION = "اشرح لي كيف أستعمل الأمر git rebase مع مثال قصير."
ARABIC = """\
يعيد الأمر `git rebase` ترتيب الالتزامات فوق فرع آخر. مثلا:

```sh
git checkout feature
git rebase main   # يعيد الالتزامات
```

- إذا ظهر تعارض، أصلح الملف ثم اكتب `git rebase --continue`.
- للتراجع: `git rebase --abort`.

| الأمر | المعنى |
| --- | --- |
| `pick` | احتفظ بالالتزام |
| `squash` | ادمجه مع ما قبله |
"""

LONG_QUESTION = "\n\n".join(
    (
        "I have a long question with several paragraphs, and I would like you to read all of it before you answer.",
        "Last week we moved into the new flat. The heating works, but the thermostat in the kitchen shows 14 degrees in "
        "the morning although it is set to 20, and the one in the bedroom never switches off. The landlord says that "
        "this is normal in old houses, and that we should open the valves and wait until the pipes are warm.",
        "The pipes:\n- kitchen: warm at 8\n- bedroom: hot all night\n- bath: cold",
        "So: when should the heating begin in the morning, so that the kitchen is warm at seven? "
        "Averyveryverylongwordthathasnospacesinitandmustbebrokensomewhere" * 2,
    )
)

SKY = """\
Sunlight holds all colours. On its way through the air it meets molecules, which scatter **short waves** more than long \
ones: blue light comes to your eye from everywhere, red light goes straight on.

In the evening the way is longer, the blue is scattered away, and the sky is red."""

THOUGHT = """\
The user asks why the sky is blue. I should explain Rayleigh scattering in plain words.

First the light, then the molecules, then the evening. The exponent is four: blue is scattered about five times as much \
as red. I will leave the formula out, since nobody has asked for it."""

PASTED = "\n".join(f"{number:04} a line of a long text that somebody has pasted into the box" for number in range(400))

DIAGRAMS = """\
How a login works:

```mermaid
flowchart TD
    A[Open the page] --> B{Is there a session?}
    B -->|Yes| C[Show the start page]
    B -->|No| D["Ask for name<br/>and password"]
    D --> E{Are they right?}
    E -->|Yes| C
    E -->|No| D
    style C fill:#cdeccd
```

The same as a conversation:

```mermaid
sequenceDiagram
    actor U as User
    participant B as Browser
    participant S as Server
    U->>B: Click on "Log in"
    B->>+S: POST /login
    alt the password is right
        S-->>B: 200 and a token
    else it is wrong
        S-->>-B: 401
    end
    Note over B,S: encrypted
```

And this one has a mistake in it:

```mermaid
flowchart TD
    A[Start --> B{Oops
```
"""
CHARTS = """\
```mermaid
pie showData
    title Where the day goes
    "Sleep" : 8
    "Work" : 7
    "Family" : 5
    "Everything else" : 4
```

```mermaid
gantt
    title A small plan
    dateFormat YYYY-MM-DD
    section Design
    Research   :done, a, 2026-01-05, 4d
    Drafts     :active, b, after a, 5d
    section Making
    Build      :crit, c, after b, 8d
    Release    :milestone, after c, 0d
```
"""

MATHS_QUESTION = "How do I solve a quadratic equation, and what has it to do with the normal distribution?"
MATHS = r"""### The quadratic formula

An equation $ax^2 + bx + c = 0$ with $a \neq 0$ has the solutions

$$x_{1,2} = \frac{-b \pm \sqrt{b^2 - 4ac}}{2a}$$

where $\Delta = b^2 - 4ac$ decides how many there are:

- $\Delta > 0$: two, $x_1 \neq x_2$
- $\Delta = 0$: one, $x = -\frac{b}{2a}$
- $\Delta < 0$: none in $\mathbb{R}$, two in $\mathbb{C}$

For $2x^2 - 8x + 6 = 0$ this gives

\[
\begin{aligned}
x_{1,2} &= \frac{8 \pm \sqrt{64 - 48}}{4} \\
        &= \frac{8 \pm 4}{4}
\end{aligned}
\]

so $x_1 = 3$ and $x_2 = 1$. The answer is $\boxed{x \in \{1, 3\}}$, and it costs $5 or $10 to print.

| term | value | limit |
|:--|--:|--|
| $e^{i\pi} + 1$ | $0$ | $\lim_{n \to \infty} \left(1 + \frac{1}{n}\right)^n = e$ |
| `$HOME` | $24 | $\sum_{k=0}^{n} \binom{n}{k} = 2^n$ |

> The density of the normal distribution:
> $$f(x) = \frac{1}{\sigma\sqrt{2\pi}} \exp\left(-\frac{(x - \mu)^2}{2\sigma^2}\right) \tag{1}$$

$$f(x) = \begin{cases} x^2 & \text{if } x \ge 0 \\ -x & \text{otherwise} \end{cases} \qquad \text{速度} = \frac{\text{路程}}{\text{时间}}$$

$$e^x = 1 + x + \frac{x^2}{2!} + \frac{x^3}{3!} + \frac{x^4}{4!} + \frac{x^5}{5!} + \frac{x^6}{6!} + \frac{x^7}{7!} + \frac{x^8}{8!} + \frac{x^9}{9!} + \frac{x^{10}}{10!} + \cdots$$

What cannot be drawn stays as it was written, here $\unknowncommand{x} + y$ and

$$\unknowncommand{x} = \frac{1}{2}$$"""

"""Signatures, in one place. Secrets come from the environment alone; what has none is left unsigned with a warning.

======================================  ===========================================================================
Variable                                What it holds
======================================  ===========================================================================
``QWEN_DESKTOP_WINDOWS_PFX``            Certificate and private key for Windows programs, a .pfx file in base64
``QWEN_DESKTOP_WINDOWS_PFX_PASSWORD``   Its password (none: empty)
``QWEN_DESKTOP_WINDOWS_SIGN_COMMAND``   Instead of the two: a command that signs the file appended to it (a certificate
                                        in a cloud or on a token); it reads its own secrets from the environment
``QWEN_DESKTOP_TIMESTAMP_URL``          RFC 3161 service for Windows (has a default; "none" leaves the time out)
``QWEN_DESKTOP_MACOS_P12``              "Developer ID Application" certificate and key, a .p12 file in base64
``QWEN_DESKTOP_MACOS_P12_PASSWORD``     Its password
``QWEN_DESKTOP_NOTARY_KEY``             App Store Connect API key for notarisation, the .p8 file's text in base64
``QWEN_DESKTOP_NOTARY_KEY_ID``          Its ID (no secret)
``QWEN_DESKTOP_NOTARY_ISSUER``          Its issuer's ID (no secret)
``QWEN_DESKTOP_GPG_KEY``                Private OpenPGP key for Linux artefacts and check sums, armoured
``QWEN_DESKTOP_GPG_PASSPHRASE``         Its passphrase (none: empty)
``QWEN_DESKTOP_SIGNING_REQUIRED``       "1": what cannot be signed is an error, not a warning (no secret)
======================================  ===========================================================================

A secret never stands on a command line: programs get it through a file that only this user can read, through their
standard input, or through the environment. What programs print is shown only with the secrets of this table blotted
out. ``hold`` takes them out of the environment, so that of a build's many programs only those that sign get them.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tools")]

import product  # noqa: E402 - makensis starts this file by itself; the two folders are on the path only now
from dev_console import Failed, say  # noqa: E402

PFX, PFX_PASSWORD = "QWEN_DESKTOP_WINDOWS_PFX", "QWEN_DESKTOP_WINDOWS_PFX_PASSWORD"
SIGN_COMMAND = "QWEN_DESKTOP_WINDOWS_SIGN_COMMAND"
TIMESTAMP = "QWEN_DESKTOP_TIMESTAMP_URL"
P12, P12_PASSWORD = "QWEN_DESKTOP_MACOS_P12", "QWEN_DESKTOP_MACOS_P12_PASSWORD"
NOTARY_KEY, NOTARY_KEY_ID = "QWEN_DESKTOP_NOTARY_KEY", "QWEN_DESKTOP_NOTARY_KEY_ID"
NOTARY_ISSUER = "QWEN_DESKTOP_NOTARY_ISSUER"
GPG_KEY, GPG_PASSPHRASE = "QWEN_DESKTOP_GPG_KEY", "QWEN_DESKTOP_GPG_PASSPHRASE"
REQUIRED = "QWEN_DESKTOP_SIGNING_REQUIRED"
_SECRETS = (PFX, PFX_PASSWORD, P12, P12_PASSWORD, NOTARY_KEY, GPG_KEY, GPG_PASSPHRASE)
_DEFAULT_TIMESTAMP = "http://timestamp.digicert.com"

# Reads the password from the environment, so that no command line has it; prints the thumbprint.
_IMPORT_PFX = f"""
$ErrorActionPreference = 'Stop'
$options = @{{ FilePath = $env:PFX_FILE; CertStoreLocation = 'Cert:\\CurrentUser\\My' }}
if ($env:{PFX_PASSWORD}) {{ $options.Password = ConvertTo-SecureString $env:{PFX_PASSWORD} -AsPlainText -Force }}
(Import-PfxCertificate @options | Where-Object HasPrivateKey | Select-Object -First 1).Thumbprint
"""
_REMOVE_PFX = "Remove-Item -DeleteKey -Path ('Cert:\\CurrentUser\\My\\' + $env:THUMBPRINT)"


#: The secrets that ``hold`` has taken out of the environment.
_held: dict[str, str] = {}


def hold() -> None:
    """Keep the secrets here: programs that are started from now on get them only from this module."""
    for name in _SECRETS:
        if name in os.environ:
            _held[name] = os.environ.pop(name)


def environment() -> dict[str, str]:
    """The environment with the secrets in it, for a program that signs."""
    return {**os.environ, **_held}


def secret(name: str) -> str:
    """The value of a variable of the table, "" without."""
    return environment().get(name, "").strip()


def redacted(text: str) -> str:
    """``text`` with every secret of the environment blotted out."""
    for value in sorted((secret(name) for name in _SECRETS), key=len, reverse=True):
        if value:
            text = text.replace(value, "***")
            for line in value.splitlines():
                if len(line) > 12:
                    text = text.replace(line, "***")
    return text


def run(
    command: Sequence[str | Path],
    what: str,
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a signing program quietly and return what it printed; ``what`` names the step when it fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            input=stdin if stdin is not None else "",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env={**environment(), **(env or {})},
            check=False,
        )
    except OSError as error:
        raise Failed(f"{words[0]}, which is needed for {what}, cannot be started: {error.strerror}.") from error
    if done.returncode != 0:
        said = "\n".join(redacted(done.stdout).strip().splitlines()[-8:])
        raise Failed(f"{what[0].upper()}{what[1:]} failed; {Path(words[0]).name} said:\n{said}")
    return done.stdout


def skipped(path: Path, names: str) -> bool:
    """Say that ``path`` stays unsigned because ``names`` is not set, or fail where it must be signed; False."""
    if secret(REQUIRED) == "1":
        raise Failed(f"{path.name} must be signed ({REQUIRED} is 1), and {names} is not set.")
    say(f"warning: {path.name} is not signed, since {names} is not set.")
    return False


def decoded(name: str) -> bytes:
    """The bytes that a base64 secret holds."""
    try:
        return base64.b64decode("".join(secret(name).split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Failed(f"{name} does not hold base64: encode the file with `base64 -w0 FILE`.") from error


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder that only this user can read, emptied afterwards."""
    with tempfile.TemporaryDirectory(prefix="sign-") as name:  # made with mode 0700
        yield Path(name)


def private_file(path: Path, data: bytes) -> Path:
    """Write ``data`` so that nobody else can read it, not even for a moment."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    return path


def windows_possible() -> bool:
    """Whether there is what Windows signatures need."""
    return bool(secret(SIGN_COMMAND) or secret(PFX))


def windows(path: Path) -> bool:
    """Sign a Windows program, or in a frozen folder our two programs and llama.cpp's libraries; whether it was done.

    What others have signed (Python, Qt) keeps their signature.
    """
    if not windows_possible():
        return skipped(path, f"{PFX} (or {SIGN_COMMAND})")
    files = [path]
    if path.is_dir():
        files = [path / f"{name}.exe" for name in (product.WINDOW_PROGRAM, product.CONSOLE_PROGRAM)]
        files += sorted((path / "_internal" / "llama_cpp" / "lib").glob("*.dll"))
    if secret(SIGN_COMMAND):
        for file in files:
            run([*_sign_command(), file], f"signing {file.name}")
    else:
        with private_folder() as folder:
            pfx = private_file(folder / "certificate.pfx", decoded(PFX))
            (_signtool if product.system() == "windows" else _osslsigncode)(files, pfx)
    return True


def _sign_command() -> list[str]:
    """The words of the user's command. On Windows its backslashes stay and quotes only hold a word together."""
    if os.name != "nt":
        return shlex.split(secret(SIGN_COMMAND))
    return [word.strip('"') for word in shlex.split(secret(SIGN_COMMAND), posix=False)]


def _time_options(option: str) -> list[str]:
    url = secret(TIMESTAMP) or _DEFAULT_TIMESTAMP
    return [] if url == "none" else [option, url]


def _osslsigncode(files: Sequence[Path], pfx: Path) -> None:
    """On Linux and macOS, for installers that are compiled there."""
    password = private_file(pfx.with_name("password"), secret(PFX_PASSWORD).encode())
    for file in files:
        signed = pfx.with_name("signed.exe")
        command: list[str | Path] = ["osslsigncode", "sign", "-pkcs12", pfx, "-readpass", password, "-h", "sha256"]
        command += ["-n", product.NAME, "-i", product.URL, *_time_options("-ts"), "-in", file, "-out", signed]
        run(command, f"signing {file.name}")
        shutil.copyfile(signed, file)
        signed.unlink()


def _signtool(files: Sequence[Path], pfx: Path) -> None:
    """Not yet run. signtool takes a password from its command line only: so the key goes into the user's store."""
    powershell = ["powershell", "-NoProfile", "-NonInteractive", "-Command"]
    printed = run([*powershell, _IMPORT_PFX], "importing the certificate", env={"PFX_FILE": str(pfx)})
    thumbprint = (printed.split() or [""])[-1]
    if not re.fullmatch("[0-9A-Fa-f]{40}", thumbprint):  # an empty one would name the whole store below
        raise Failed(f"{PFX} holds no certificate with its private key.")
    try:
        command = [_signtool_program(), "sign", "/sha1", thumbprint, "/fd", "SHA256", "/d", product.NAME]
        command += ["/du", product.URL, *_time_options("/tr")]
        command += ["/td", "SHA256"] if "/tr" in command else []
        run([*command, *files], f"signing {files[0].name}")
    finally:
        run([*powershell, _REMOVE_PFX], "removing the certificate", env={"THUMBPRINT": thumbprint})


def _signtool_program() -> str:
    found = shutil.which("signtool")
    if found:
        return found
    kits = Path(os.environ.get("PROGRAMFILES(X86)", "C:\\Program Files (x86)")) / "Windows Kits" / "10" / "bin"
    folder = "arm64" if product.architecture() == "arm64" else "x64"
    programs = sorted(kits.glob(f"10.*/{folder}/signtool.exe"))
    if not programs:
        raise Failed("signtool is missing: install the Windows SDK.")
    return str(programs[-1])


def macos_app(path: Path) -> bool:
    """Sign a .app with the hardened runtime, have Apple notarise it and staple the ticket; whether it was done."""
    from macos import notarise  # noqa: PLC0415 - it needs this module

    if not secret(P12):
        skipped(path, P12)
        notarise.sign_locally(path)
        return False
    with notarise.keychain() as (identity, keychain):
        notarise.sign_app(path, identity, keychain)
    return notarise.notarise(path)


def macos_dmg(path: Path) -> bool:
    """Sign a disk image, have Apple notarise it and staple the ticket; whether it was done."""
    from macos import notarise  # noqa: PLC0415 - as above

    if not secret(P12):
        return skipped(path, P12)
    with notarise.keychain() as (identity, keychain):
        notarise.sign_image(path, identity, keychain)
    return notarise.notarise(path)


def detached(path: Path) -> bool:
    """Write an OpenPGP signature to ``path`` + ".asc"; whether it was done. ``gpg --verify FILE.asc`` checks it."""
    if not secret(GPG_KEY):
        return skipped(path, GPG_KEY)
    target = path.with_name(path.name + ".asc")
    with private_folder() as home:  # gpg's own folder: the user's keys are neither seen nor touched
        env = {"GNUPGHOME": str(home)}
        try:
            run(["gpg", "--batch", "--quiet", "--import"], "importing the OpenPGP key", stdin=secret(GPG_KEY), env=env)
            command: list[str | Path] = ["gpg", "--batch", "--yes", "--quiet", "--pinentry-mode", "loopback"]
            command += ["--passphrase-fd", "0", "--armor", "--output", target, "--detach-sign", path]
            run(command, f"signing {path.name}", stdin=secret(GPG_PASSPHRASE) + "\n", env=env)
        finally:  # only the agent of this folder
            run(["gpgconf", "--kill", "all"], "ending gpg's agent", env=env)
    return True


KINDS: dict[str, Callable[[Path], bool]] = {
    "windows": windows,
    "macos-app": macos_app,
    "macos-dmg": macos_dmg,
    "detached": detached,
}


def main(arguments: Sequence[str]) -> int:
    """``python signing.py KIND FILE ...``: what makensis and the release workflow call."""
    if len(arguments) < 2 or arguments[0] not in KINDS:
        print(f"usage: signing.py {'|'.join(KINDS)} FILE ...", file=sys.stderr)
        return 2
    try:
        for name in arguments[1:]:
            KINDS[arguments[0]](Path(name))
    except Failed as failure:
        print(f"signing: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

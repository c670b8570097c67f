"""codesign, notarytool and stapler, in the order that Apple wants. Called by ``signing`` alone. Not yet run on a Mac.

1. every Mach-O file inside, deepest first, then frameworks, then the two programs, then the bundle itself: a signature
   covers what lies below it, so it must come after (``codesign --deep`` would give all of them the same exceptions)
2. a ZIP of the bundle to Apple's notary service, which looks for malware and answers in some minutes
3. the ticket stapled to the bundle, so that the first start needs no network
4. the same for the disk image that is made of it
"""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import product
import signing
from dev_console import Failed, say

from macos import info

#: The first four bytes of Mach-O files, thin and universal.
_MACH_O = (b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")
_RUNTIME = ["--options", "runtime", "--timestamp"]


def is_mach_o(path: Path) -> bool:
    """Whether this file is code for macOS."""
    with path.open("rb") as file:
        return file.read(4) in _MACH_O


def order(bundle: Path) -> list[Path]:
    """What to sign inside ``bundle``, in order: libraries and frameworks deepest first, then the programs."""
    found = [path for path in bundle.rglob("*") if path.is_file() and not path.is_symlink() and is_mach_o(path)]
    frameworks = [path for path in bundle.rglob("*.framework") if path.is_dir() and not path.is_symlink()]
    programs = [bundle / "Contents" / "MacOS" / name for name in (product.CONSOLE_PROGRAM, product.WINDOW_PROGRAM)]
    inside = [path for path in [*found, *frameworks] if path not in programs]
    # A framework has fewer parts than the library in it, and so comes after it.
    inside.sort(key=lambda path: (-len(path.parts), path.as_posix()))
    return [*inside, *(program for program in programs if program in found)]


def sign_app(bundle: Path, identity: str, keychain: Path) -> None:
    """Sign everything in ``bundle`` and then the bundle, with the hardened runtime, and check the result."""
    codesign: list[str | Path] = ["codesign", "--force", "--sign", identity, "--keychain", keychain, *_RUNTIME]
    programs = bundle / "Contents" / "MacOS"
    with tempfile.TemporaryDirectory(prefix="entitlements-") as name:
        exceptions = info.write_entitlements(Path(name) / "entitlements.plist", product.architecture())
        inside = order(bundle)
        for path in inside:
            # Only programs have exceptions; those of a library would count for nothing.
            more: list[str | Path] = ["--entitlements", exceptions] if path.parent == programs else []
            signing.run([*codesign, *more, path], f"signing {path.name}")
        signing.run([*codesign, "--entitlements", exceptions, bundle], f"signing {bundle.name}")
    signing.run(["codesign", "--verify", "--deep", "--strict", bundle], f"checking {bundle.name}")
    say(f"{bundle.name}: {len(inside)} files signed")


def sign_locally(bundle: Path) -> None:
    """Without a certificate: ad hoc, which Apple silicon asks of every program. The result is for this computer."""
    for path in [*order(bundle), bundle]:
        signing.run(["codesign", "--force", "--sign", "-", "--timestamp=none", path], f"signing {path.name} ad hoc")


def sign_image(image: Path, identity: str, keychain: Path) -> None:
    """Sign a disk image. It holds no code of its own, so there is no runtime to harden."""
    codesign: list[str | Path] = ["codesign", "--force", "--sign", identity, "--keychain", keychain, "--timestamp"]
    signing.run([*codesign, image], f"signing {image.name}")


def notarise(path: Path) -> bool:
    """Have Apple look at a signed bundle or disk image, and staple the ticket; whether it was done."""
    names = (signing.NOTARY_KEY, signing.NOTARY_KEY_ID, signing.NOTARY_ISSUER)
    missing = [name for name in names if not signing.secret(name)]
    if len(missing) == len(names):
        if signing.secret(signing.REQUIRED) == "1":
            raise Failed(f"{path.name} must be notarised ({signing.REQUIRED} is 1), and {names[0]} is not set.")
        say(f"warning: {path.name} is signed but not notarised, since {names[0]} is not set.")
        return False
    if missing:
        raise Failed(f"Notarisation needs {' and '.join(missing)} too.")
    with signing.private_folder() as folder:
        key = signing.private_file(folder / "key.p8", signing.decoded(signing.NOTARY_KEY))
        account: list[str | Path] = ["--key", key, "--key-id", signing.secret(signing.NOTARY_KEY_ID)]
        account += ["--issuer", signing.secret(signing.NOTARY_ISSUER)]
        sent = path
        if path.is_dir():
            sent = folder / f"{product.ID}.zip"
            signing.run(["ditto", "-c", "-k", "--keepParent", path, sent], f"packing {path.name}")
        command: list[str | Path] = ["xcrun", "notarytool", "submit", sent, *account, "--wait", "--timeout", "1h"]
        answer = _answer(signing.run([*command, "--output-format", "json"], f"notarising {path.name}"))
        if answer.get("status") != "Accepted":
            log: list[str | Path] = ["xcrun", "notarytool", "log", str(answer.get("id", "")), *account]
            raise Failed(f"Apple did not notarise {path.name}:\n{signing.run(log, 'reading the notary log')}")
    signing.run(["xcrun", "stapler", "staple", path], f"stapling the ticket to {path.name}")
    kind = ["--type", "execute"] if path.is_dir() else ["--type", "open", "--context", "context:primary-signature"]
    signing.run(["spctl", "--assess", *kind, path], f"checking {path.name} as Gatekeeper does")
    return True


def _answer(printed: str) -> dict[str, object]:
    """notarytool's JSON, which other lines may stand around."""
    start, end = printed.find("{"), printed.rfind("}")
    try:
        found = json.loads(printed[start : end + 1])
    except ValueError:
        found = {}
    return found if isinstance(found, dict) else {}


def _quoted(word: str) -> str:
    """``word`` for the commands that ``security -i`` reads from its standard input."""
    if "\n" in word:
        raise Failed(f"{signing.P12_PASSWORD} must be one line.")
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


@contextmanager
def keychain() -> Iterator[tuple[str, Path]]:
    """A keychain of its own with the certificate, for the time of signing: the identity's hash and the file.

    Passwords go through ``security -i``, whose standard input nobody else sees, unlike a command line.
    """
    with signing.private_folder() as folder:
        place, certificate = folder / "signing.keychain-db", folder / "certificate.p12"
        signing.private_file(certificate, signing.decoded(signing.P12))
        before = signing.run(["security", "list-keychains", "-d", "user"], "reading the list of keychains")
        others = [line.strip().strip('"') for line in before.splitlines() if line.strip()]
        own, password = _quoted(secrets.token_hex(24)), _quoted(signing.secret(signing.P12_PASSWORD))
        where = _quoted(str(place))
        steps = (
            f"create-keychain -p {own} {where}",
            f"set-keychain-settings -t 7200 -u {where}",  # it locks itself should this process be killed
            f"unlock-keychain -p {own} {where}",
            f"import {_quoted(str(certificate))} -k {where} -f pkcs12 -P {password} -T /usr/bin/codesign",
            # Without this line codesign would ask in a window, which a build server has not.
            f"set-key-partition-list -S apple-tool:,apple: -s -k {own} {where}",
        )
        try:
            signing.run(["security", "-i"], "importing the certificate", stdin="\n".join(steps) + "\n")
            # codesign looks for the chain in the listed keychains only.
            listed: list[str | Path] = ["security", "list-keychains", "-d", "user", "-s", place, *others]
            signing.run(listed, "listing the new keychain")
            yield _identity(place), place
        finally:
            signing.run(["security", "list-keychains", "-d", "user", "-s", *others], "restoring the list of keychains")
            if place.exists():
                signing.run(["security", "delete-keychain", place], "removing the keychain")


def _identity(place: Path) -> str:
    printed = signing.run(["security", "find-identity", "-v", "-p", "codesigning", place], "looking for the identity")
    for line in printed.splitlines():
        words = line.split()
        if len(words) > 2 and words[0].endswith(")") and "Developer ID Application" in line:
            return words[1]
    raise Failed(f"{signing.P12} holds no valid 'Developer ID Application' certificate with its key.")

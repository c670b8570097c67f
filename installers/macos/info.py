"""What a bundle says about itself (Info.plist) and what the hardened runtime must let it do (entitlements)."""

from __future__ import annotations

import plistlib
from pathlib import Path

import product

#: The type of GGUF files. It is not ours, so it is imported: whoever owns it may describe it better.
TYPE = "org.ggml.gguf"

# The hardened runtime forbids five things. What this app needs of them, and why not the rest:
#
# - allow-unsigned-executable-memory, on Intel only. ctypes makes the callbacks that llama.cpp calls (log, abort,
#   progress) through libffi. On Apple silicon libffi maps its signed trampoline page again and writes no code, and the
#   kernel allows no such memory there with or without the entitlement. On Intel a libffi that a Python distribution
#   brings writes its trampolines into plain memory; where this is refused, no model loads. Once the release workflow's
#   smoke test has passed on Intel without it, it can go.
# - allow-jit: no. It serves MAP_JIT memory, which only Qt's regular expressions would take (PCRE2); refused, they are
#   interpreted instead. Metal's shaders are compiled by a process of the system.
# - disable-library-validation: no. Every library in the bundle carries the same team's signature, and we load no
#   others: backends come from the bundle alone. (A bundle without a certificate is signed ad hoc, without this
#   runtime, since it has no team.)
# - allow-dyld-environment-variables: no. Nobody else's DYLD_INSERT_LIBRARIES should reach a program that holds chats.
# - disable-executable-page-protection, debugger: no.
#
# The sandbox is not used: models lie wherever the user keeps them. So network and files need no entitlement, and
# neither does the login keychain, in which access tokens are kept.
_ENTITLEMENTS: dict[str, dict[str, bool]] = {
    "arm64": {},
    "x64": {"com.apple.security.cs.allow-unsigned-executable-memory": True},
}


def entitlements(architecture: str) -> dict[str, bool]:
    """The exceptions from the hardened runtime for "arm64" or "x64"; the least that the app works with."""
    return dict(_ENTITLEMENTS[architecture])


def write_entitlements(target: Path, architecture: str) -> Path:
    """Write them as the property list that codesign reads; return ``target``."""
    target.write_bytes(plistlib.dumps(entitlements(architecture), sort_keys=True))
    return target


def values() -> dict[str, object]:
    """The keys of Info.plist, for ``BUNDLE(info_plist=...)``; they go before PyInstaller's own."""
    version = product.version()
    numbers = version.split("+")[0]
    return {
        "CFBundleName": product.NAME,
        "CFBundleDisplayName": product.NAME,
        "CFBundleIdentifier": product.APP_ID,
        # PyInstaller would take the first program of the folder, which is the console one, and then also hide the app
        # from the Dock.
        "CFBundleExecutable": product.WINDOW_PROGRAM,
        "LSBackgroundOnly": False,
        "CFBundlePackageType": "APPL",
        "CFBundleShortVersionString": numbers,
        "CFBundleVersion": numbers,
        "CFBundleDevelopmentRegion": "en",
        "LSMinimumSystemVersion": product.MACOS_MINIMUM,
        "LSApplicationCategoryType": "public.app-category.productivity",
        "NSHighResolutionCapable": True,
        "NSPrincipalClass": "NSApplication",
        "NSRequiresAquaSystemAppearance": False,  # dark windows where the system is dark
        "NSSupportsAutomaticGraphicsSwitching": True,  # an open window does not wake the second graphics card
        "NSHumanReadableCopyright": f"{product.MAINTAINER.partition(' <')[0]}. {product.LICENCE}.",
        "CFBundleDocumentTypes": [
            {
                "CFBundleTypeName": "GGUF model",
                "CFBundleTypeRole": "Viewer",
                "LSHandlerRank": "Alternate",  # offered under "Open with"; whoever opens them now goes on doing so
                "LSItemContentTypes": [TYPE],
            }
        ],
        "UTImportedTypeDeclarations": [
            {
                "UTTypeIdentifier": TYPE,
                "UTTypeDescription": "GGUF model",
                "UTTypeConformsTo": ["public.data"],
                "UTTypeReferenceURL": "https://github.com/ggml-org/ggml/blob/master/docs/gguf.md",
                "UTTypeTagSpecification": {"public.filename-extension": ["gguf"]},
            }
        ],
    }

#!/usr/bin/env python3
"""A bill of materials (CycloneDX 1.6, JSON) beside each artefact; the same artefact gives the same bytes.

``python installers/sbom.py validate FILE ...`` checks such files against CycloneDX's own schema; that needs
cyclonedx-python-lib in the running Python (installers/requirements/release.txt), writing needs nothing.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tools")]

import dev_cache  # noqa: E402 - the two folders are on the path only now
import product  # noqa: E402
from dev_console import Failed, say  # noqa: E402
from licence_notice import Component  # noqa: E402

ENDING = ".cdx.json"
SPECIFICATION = "1.6"


def write(artefact: Path, components: Sequence[Component]) -> Path:
    """Write ``<artefact>.cdx.json`` beside a file or folder and return its path."""
    if not artefact.exists():
        raise Failed(f"There is no {artefact} to write a bill of materials for.")
    target = artefact.with_name(artefact.name + ENDING)
    text = json.dumps(document(artefact, components), indent=1, ensure_ascii=False) + "\n"
    target.write_text(text, encoding="utf-8", newline="\n")
    return target


def document(artefact: Path, components: Sequence[Component]) -> dict[str, Any]:
    """The bill as JSON data. Its serial number comes from its content, its time from the source's."""
    own = next((part for part in components if part.name == product.NAME), None)
    root = f"{product.ID}@{product.version()}"
    refs = _references([part for part in components if part is not own])
    parts = [_part(part, ref) for part, ref in refs]
    body: dict[str, Any] = {
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(product.epoch())),
            "tools": {
                "components": [{"type": "application", "name": "installers/sbom.py", "version": product.version()}]
            },
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": product.NAME,
                "version": product.version(),
                "description": product.SUMMARY,
                **_hashes(artefact),
                "licenses": [{"expression": product.LICENCE}],
                "purl": f"pkg:generic/{product.ID}@{product.version()}",
                "externalReferences": [{"type": "website", "url": product.URL}],
                "properties": [
                    {"name": "qwen-desktop:artefact", "value": artefact.name},
                    {"name": "qwen-desktop:system", "value": f"{product.system()}-{product.architecture()}"},
                ],
            },
        },
        "components": parts,
        "dependencies": [
            {"ref": root, "dependsOn": [str(part["bom-ref"]) for part in parts]},
            *({"ref": str(part["bom-ref"])} for part in parts),
        ],
    }
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPECIFICATION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{product.URL}#{digest}')}",
        "version": 1,
        **body,
    }


def _hashes(artefact: Path) -> dict[str, Any]:
    """The SHA-256 of a file. A folder has none: the compiled files in it carry theirs."""
    if not artefact.is_file():
        return {}
    return {"hashes": [{"alg": "SHA-256", "content": dev_cache.sha256_of(artefact)}]}


def _references(components: Sequence[Component]) -> list[tuple[Component, str]]:
    """Each component with a reference of its own."""
    seen: dict[str, int] = {}
    found = []
    for part in components:
        ref = part.purl or "@".join(word for word in (part.name, part.version) if word)
        seen[ref] = seen.get(ref, 0) + 1
        found.append((part, ref if seen[ref] == 1 else f"{ref}#{seen[ref]}"))
    return found


def _part(part: Component, ref: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "library", "bom-ref": ref, "name": part.name}
    if part.version:
        entry["version"] = part.version
    if part.note:
        entry["description"] = part.note
    entry["licenses"] = [{"expression": part.licence}]
    if part.purl:
        entry["purl"] = part.purl
    if re.match(r"https?://\S+$", part.home):
        entry["externalReferences"] = [{"type": "website", "url": part.home}]
    # Not on macOS: signing changes the files of the bundle, which has other paths than the folder that was looked at.
    inside: list[dict[str, Any]] = [
        {"type": "file", "bom-ref": f"file:{path}", "name": path, "hashes": [{"alg": "SHA-256", "content": digest}]}
        for path, digest in (() if product.system() == "macos" else part.files)
    ]
    for number, (name, version, licence) in enumerate(part.inside, 1):
        linked: dict[str, Any] = {"type": "library", "bom-ref": f"{ref}/{number}", "name": name}
        if version:
            linked["version"] = version
        if licence:  # older Rust packages write A/B for "A or B"
            linked["licenses"] = [{"expression": re.sub(r"\s*/\s*", " OR ", licence)}]
        inside.append(linked)
    if inside:
        entry["components"] = inside
    return entry


def validate(paths: Sequence[Path]) -> None:
    """Raise ``Failed`` for the first file that CycloneDX's schema refuses."""
    try:  # by name, since only this command needs the package
        schema, checks = map(importlib.import_module, ("cyclonedx.schema", "cyclonedx.validation.json"))
    except ImportError as error:
        raise Failed(
            "cyclonedx-python-lib is missing: pip install --require-hashes -r installers/requirements/release.txt"
        ) from error
    validator = checks.JsonStrictValidator(schema.SchemaVersion.V1_6)
    for path in paths:
        problem = validator.validate_str(path.read_text(encoding="utf-8"))
        if problem is not None:
            raise Failed(f"{path.name} is no valid CycloneDX {SPECIFICATION} document: {str(problem)[:600]}")
        say(f"{path.name}: valid")


def main(arguments: Sequence[str]) -> int:
    """Validate; return the exit code."""
    if len(arguments) < 2 or arguments[0] != "validate":
        print("usage: sbom.py validate FILE ...", file=sys.stderr)
        return 2
    try:
        validate([Path(name) for name in arguments[1:]])
    except (Failed, OSError) as failure:
        print(f"sbom: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""JSON schemas with a part changed, moved, doubled or lost: what people write by mistake, and worse."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

from tests.unit.engine.schemas import SCHEMAS

_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 3, 0.1, 1e300, 10**18, "", "object", "integer", "array", "ü" * 120, [], {}, ["a"], {"$ref": "#"},
    "(a|b)*c{2,50}", "(.*a){1,30}.{50}", "[^a]*a.{200}", "((a?){50}){50}", "#/properties/a", "\\d+$",
    {"type": "string"},
)  # fmt: skip
_WORDS = (
    "type", "items", "properties", "required", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "pattern", "format",
    "minimum", "maximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "not",
    "$defs", "maxProperties", "additionalProperties", "prefixItems", "propertyNames", "x-guidance", "$schema", "$id",
)  # fmt: skip


def mutated(choose: random.Random) -> str:
    """A schema of ours with up to four changes."""
    value = copy.deepcopy(choose.choice(list(SCHEMAS.values())))
    for _ in range(choose.randrange(1, 5)):
        places: list[tuple[Any, Any]] = []
        _find(value, places)
        if not places:
            return json.dumps(choose.choice(_VALUES))
        holder, key = choose.choice(places)
        other, name = choose.choice(places)
        match choose.randrange(5):
            case 0:
                del holder[key]
            case 1:
                holder[key] = copy.deepcopy(choose.choice(_VALUES))
            case 2:
                holder[key] = copy.deepcopy(other[name])
            case 3 if isinstance(holder, dict):
                holder[choose.choice(_WORDS)] = holder.pop(key)
            case _ if isinstance(holder, dict):
                holder[choose.choice(_WORDS)] = copy.deepcopy(choose.choice(_VALUES))
    return json.dumps(value, ensure_ascii=choose.random() < 0.5)


def _find(value: Any, places: list[tuple[Any, Any]]) -> None:
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        places.append((value, key))
        _find(inner, places)

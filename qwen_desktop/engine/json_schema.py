"""JSON schemas as the library that follows them wants them. Pure.

What it does not know but what means nothing to an answer goes; what it does loosely (dates that no calendar has) is
said exactly; what only takes another form gets that. What is left over it refuses itself.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec

#: Larger and deeper schemas are no schemas of people: characters, and levels.
LONGEST, DEEPEST = 262_144, 60
#: A number must be a multiple of this at most, zeros at its end aside: every remainder is a state of the search.
_LARGEST_DIVISOR = 10_000
#: Of the properties of one object so many may be left out: any of them may be the next one.
_MOST_OPTIONAL = 400

_MAPS = ("properties", "patternProperties", "$defs", "definitions")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalItems", "additionalProperties")
#: Where one of these stands, an object's properties are not all named in one place.
_SPREAD = {"allOf", "if", "not", "dependentSchemas", "unevaluatedProperties"}
_BESIDE_REF = {"properties", "anyOf", "oneOf", "required", "additionalProperties"}

_NOT_ZERO = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
_LEAP = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_DATE = (
    f"(?:{_NOT_ZERO}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    f"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP}-02-29)"
)
_TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]{1,6})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
#: Formats in our own words: with days that a calendar has, and without leap seconds, which hardly any program reads.
_FORMATS = {"date": f"^{_DATE}$", "time": f"^{_TIME}$", "date-time": f"^{_DATE}T{_TIME}$"}
_KNOWN_FORMATS = {"duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"}


class SchemaError(Exception):
    """What is wrong with a schema, in English and short."""


def read(text: str) -> dict[str, Any]:
    """The schema that ``text`` is, made ready. Raises ``SchemaError``."""
    if len(text) > LONGEST:
        raise SchemaError(f"it is longer than {LONGEST} characters")
    try:
        schema = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        reason = str(error).removeprefix("JSON is malformed: ")
        raise SchemaError(f"it is no JSON: {reason}" if reason else "it is no JSON") from None
    if schema is True:
        schema = {}
    if not isinstance(schema, dict):
        raise SchemaError("it is no object with the words of JSON schema")
    schema.pop("x-guidance", None)  # orders to the library
    made: dict[str, Any] = _Preparing(schema).schema(schema, 0)
    return made


class _Preparing:
    def __init__(self, root: dict[str, Any]) -> None:
        self._closes = not _spread(root, 0)

    def schema(self, given: Any, level: int) -> Any:
        if not isinstance(given, dict):
            return given
        made = {key: self._value(key, value, level) for key, value in given.items()}
        if level:
            made.pop("$id", None)  # of no use for an answer, and one that is no address makes the library see nothing
        _rename_keys(made)
        if made.get("uniqueItems") is False:
            del made["uniqueItems"]
        self._close(made)
        named, needed = made.get("properties"), made.get("required")
        if isinstance(named, dict) and len(named) - len(needed if isinstance(needed, list) else ()) > _MOST_OPTIONAL:
            raise SchemaError(f"an object has more than {_MOST_OPTIONAL} properties that are not required")
        _say_format(made)
        _check_divisor(made.get("multipleOf"))
        return made

    def _value(self, key: str, value: Any, level: int) -> Any:
        if key in _MAPS and isinstance(value, dict):
            return {name: self.schema(part, level + 1) for name, part in value.items()}
        if key in _LISTS or (key == "items" and isinstance(value, list)):
            return [self.schema(part, level + 1) for part in value] if isinstance(value, list) else value
        return self.schema(value, level + 1) if key in _SINGLE else value

    def _close(self, made: dict[str, Any]) -> None:
        """An object that names its properties has no others, unless it says so or they stand in several places: small
        models would write on and on."""
        fewest, needed = made.get("minProperties"), made.get("required")
        named = made.get("properties")
        if (
            self._closes
            and isinstance(named, dict)
            and named
            and not {"additionalProperties", "patternProperties"} & made.keys()
            and not (isinstance(fewest, int) and fewest > len(named))
            and all(isinstance(name, str) and name in named for name in (needed if isinstance(needed, list) else ()))
        ):
            made["additionalProperties"] = False


def _spread(given: Any, level: int) -> bool:
    """Whether any object's properties stand in several places. Raises ``SchemaError`` for what is too deep."""
    if level > DEEPEST:
        raise SchemaError(f"it is deeper than {DEEPEST} levels")
    if isinstance(given, list):
        return any([_spread(part, level + 1) for part in given])  # noqa: C419 - each is looked at
    if not isinstance(given, dict):
        return False
    parts = [_spread(part, level + 1) for part in given.values()]
    properties = "properties" in given
    beside = "$ref" in given and _BESIDE_REF & given.keys()
    return any(parts) or bool(_SPREAD & given.keys() or beside or (properties and {"anyOf", "oneOf"} & given.keys()))


def _rename_keys(made: dict[str, Any]) -> None:
    """``propertyNames`` of the kinds that maps have, and ``unevaluatedProperties`` where there is nothing else."""
    if (
        "unevaluatedProperties" in made
        and not {"additionalProperties", "anyOf", "oneOf", "allOf", "$ref"} & made.keys()
    ):
        made["additionalProperties"] = made.pop("unevaluatedProperties")
    names = made.get("propertyNames")
    if not isinstance(names, dict) or names.get("type", "string") != "string":
        return
    told = {key: value for key, value in names.items() if key not in {"type", "title", "description"}}
    values = made.get("additionalProperties", True)
    if not told:
        del made["propertyNames"]
    elif {"properties", "patternProperties"} & made.keys():
        return
    elif told.keys() == {"pattern"} and isinstance(told["pattern"], str):
        del made["propertyNames"]
        made |= {"patternProperties": {told["pattern"]: values}, "additionalProperties": False}
    elif told.keys() == {"enum"} and isinstance(told["enum"], list):
        del made["propertyNames"]
        named = {name: values for name in told["enum"] if isinstance(name, str)}
        made |= {"properties": named, "additionalProperties": False}


def _say_format(made: dict[str, Any]) -> None:
    name = made.get("format")
    if not isinstance(name, str) or name in _KNOWN_FORMATS:
        return
    del made["format"]  # an unknown one only describes
    pattern = _FORMATS.get(name)
    if pattern is None:
        return
    if "pattern" not in made:
        made["pattern"] = pattern
    elif isinstance(made.get("allOf", []), list):
        made["allOf"] = [*made.get("allOf", []), {"pattern": pattern}]


def _check_divisor(divisor: Any) -> None:
    if isinstance(divisor, int | float) and not isinstance(divisor, bool):
        digits = re.sub(r"0+$", "", "".join(map(str, Decimal(str(divisor)).as_tuple().digits)))
        if int(digits or "0") > _LARGEST_DIVISOR:
            raise SchemaError(f"multipleOf {divisor} is too large")

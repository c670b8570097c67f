"""JSON schemas of the kinds that people and programs write: OpenAI's guide, Pydantic, Zod, tools, hand-made ones."""

from __future__ import annotations

from typing import Any

_D7 = "http://json-schema.org/draft-07/schema#"


def _object(required: bool = True, **properties: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return made | ({"required": list(properties)} if required else {})


_TEXT, _INT, _NUMBER, _BOOL, _NULL = ({"type": t} for t in ("string", "integer", "number", "boolean", "null"))
_WORD = {"type": "string", "maxLength": 8}

SCHEMAS: dict[str, Any] = {
    # kinds of values
    "string": _TEXT,
    "integer": _INT,
    "number": _NUMBER,
    "boolean": _BOOL,
    "null": _NULL,
    "anything": {},
    "true": True,
    "several types": {"type": ["string", "null", "integer"]},
    "const text": {"const": "yes"},
    "const object": {"const": {"a": [1, None, "ü"]}},
    "enum": {"enum": ["red", "green", "blue"]},
    "enum mixed": {"enum": [1, "one", None, True, 2.5]},
    "enum unicode": {"type": "string", "enum": ["да", "нет", "是", "\"quoted\"", "back\\slash", "new\nline", "😀"]},
    # numbers
    "minimum": {"type": "integer", "minimum": 0},
    "negative": {"type": "integer", "maximum": -5},
    "between": {"type": "integer", "minimum": -17, "maximum": 142},
    "exclusive": {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 10},
    "one number": {"type": "integer", "minimum": 7, "maximum": 7},
    "fraction between": {"type": "number", "minimum": 0, "maximum": 1},
    "fraction exclusive": {"type": "number", "exclusiveMinimum": 0.5, "exclusiveMaximum": 0.75},
    "percent": {"type": "number", "minimum": -2.5, "maximum": 99.9},
    "multiple": {"type": "integer", "multipleOf": 5, "minimum": 10, "maximum": 200},
    "multiple of cents": {"type": "number", "multipleOf": 0.25, "minimum": 0, "maximum": 100},
    "large": {"type": "integer", "minimum": 1_000_000, "maximum": 9_999_999_999},
    # texts
    "length": {"type": "string", "minLength": 3, "maxLength": 12},
    "exact length": {"type": "string", "minLength": 2, "maxLength": 2},
    "pattern": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{4}$"},
    "pattern inside": {"type": "string", "pattern": "[0-9]+x", "maxLength": 20},
    "pattern classes": {"type": "string", "pattern": r"^\d{3}-\w{1,4}$"},
    "pattern choices": {"type": "string", "pattern": "^(cat|dog)s?$"},
    "phone": {"type": "string", "pattern": r"^(\([0-9]{3}\))?[0-9]{3}-[0-9]{4}$"},
    "date-time": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "time"},
    "duration": {"type": "string", "format": "duration"},
    "email": {"type": "string", "format": "email"},
    "hostname": {"type": "string", "format": "hostname"},
    "uuid": {"type": "string", "format": "uuid"},
    "ipv4": {"type": "string", "format": "ipv4"},
    "ipv6": {"type": "string", "format": "ipv6"},
    "uri": {"type": "string", "format": "uri"},
    "format unknown": {"type": "string", "format": "colour", "maxLength": 10},
    # arrays
    "array": {"type": "array", "items": _INT},
    "array sizes": {"type": "array", "items": _WORD, "minItems": 1, "maxItems": 3},
    "array empty": {"type": "array", "maxItems": 0},
    "array of arrays": {"type": "array", "items": {"type": "array", "items": _BOOL, "maxItems": 2}, "maxItems": 3},
    "tuple": {"type": "array", "prefixItems": [_INT, _BOOL, _WORD], "items": False, "minItems": 3},
    "tuple and more": {"type": "array", "prefixItems": [_INT], "items": _BOOL, "maxItems": 4},
    "tuple draft 7": {
        "$schema": _D7, "type": "array", "items": [_INT, _WORD], "additionalItems": False, "minItems": 2, "maxItems": 2,
    },
    "not unique": {"type": "array", "items": _INT, "uniqueItems": False, "maxItems": 3},
    # objects
    "object": _object(name=_WORD, age={"type": "integer", "minimum": 0, "maximum": 150}),
    "optional": _object(required=False, a=_INT, b=_BOOL, c=_NULL),
    "some required": _object(required=False, a=_INT, b=_BOOL, c=_NULL) | {"required": ["b"]},
    "closed by itself": {"type": "object", "properties": {"a": _INT, "b": _WORD}, "required": ["a"]},
    "map": {"type": "object", "additionalProperties": _INT, "maxProperties": 3},
    "map zod": {"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": _BOOL,
                "maxProperties": 2},
    "map of patterns": {
        "type": "object", "propertyNames": {"pattern": "^[a-z]{1,3}$"}, "additionalProperties": _INT,
    },
    "pattern properties": {
        "type": "object", "patternProperties": {"^x_[a-z]$": _INT}, "additionalProperties": False,
    },
    "unevaluated": {"type": "object", "properties": {"a": _INT}, "unevaluatedProperties": False},
    "free object": {"type": "object", "maxProperties": 2},
    "unicode keys": _object(**{"имя": _WORD, "年齢": _INT, "größe \"x\"": _BOOL, "a\\b": _NULL, "format": _WORD}),
    "nested": _object(person=_object(name=_WORD, address=_object(
        city=_WORD, zip={"type": "string", "pattern": "^[0-9]{5}$"}))),
    # choices
    "nullable": _object(a={"anyOf": [{"type": "string", "maxLength": 5}, _NULL]}),
    "any of objects": {"anyOf": [_object(kind={"const": "a"}, x=_INT), _object(kind={"const": "b"}, y=_BOOL)]},
    "one of by kind": {"oneOf": [_object(kind={"const": "cat"}, lives=_INT),
                                 _object(kind={"const": "dog"}, good=_BOOL)]},
    "one of types": {"oneOf": [_INT, _BOOL, {"type": "string", "maxLength": 4}]},
    "all of": {"allOf": [{"type": "object", "properties": {"a": _INT}, "required": ["a"]},
                         {"properties": {"b": _BOOL}, "required": ["b"]}], "maxProperties": 2},
    "all of numbers": {"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 9}]},
    # references
    "reference": {"$defs": {"point": _object(x=_NUMBER, y=_NUMBER)}, **_object(a={"$ref": "#/$defs/point"})},
    "definitions": {"definitions": {"n": {"type": "integer", "minimum": 1}}, "type": "array",
                    "items": {"$ref": "#/definitions/n"}, "maxItems": 3},
    "beside a reference": {"$defs": {"n": {"type": "integer", "minimum": 1}},
                           **_object(a={"$ref": "#/$defs/n", "description": "how many", "maximum": 5})},
    "recursive": {"$defs": {"node": _object(value=_INT, next={"anyOf": [{"$ref": "#/$defs/node"}, _NULL]})},
                  "$ref": "#/$defs/node"},
    "recursive root": _object(value={"type": "integer", "minimum": 0, "maximum": 9},
                              children={"type": "array", "items": {"$ref": "#"}, "maxItems": 2}),
    "inherited": {"$defs": {"base": {"type": "object", "properties": {"id": _INT}, "required": ["id"]}},
                  "allOf": [{"$ref": "#/$defs/base"}], "properties": {"more": _BOOL}, "required": ["more"],
                  "maxProperties": 2, "type": "object"},
    # as programs write them
    "pydantic": {
        "$defs": {
            "Color": {"enum": ["red", "green"], "title": "Color", "type": "string"},
            "Item": {"properties": {"name": {"title": "Name", "type": "string", "maxLength": 9},
                                    "price": {"exclusiveMinimum": 0, "title": "Price", "type": "number"},
                                    "color": {"$ref": "#/$defs/Color"}},
                     "required": ["name", "price", "color"], "title": "Item", "type": "object"},
        },
        "properties": {
            "items": {"items": {"$ref": "#/$defs/Item"}, "title": "Items", "type": "array", "maxItems": 2},
            "note": {"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}], "default": None, "title": "Note"},
            "created": {"format": "date-time", "title": "Created", "type": "string"},
        },
        "required": ["items", "created"], "title": "Order", "type": "object",
    },
    "pydantic union": {
        "$defs": {"Cat": _object(type={"const": "cat", "type": "string"}, lives=_INT),
                  "Dog": _object(type={"const": "dog", "type": "string"}, name=_WORD)},
        "discriminator": {"mapping": {"cat": "#/$defs/Cat", "dog": "#/$defs/Dog"}, "propertyName": "type"},
        "oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}],
    },
    "zod": {
        "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
        "properties": {"email": {"type": "string", "format": "email",
                                 "pattern": "^[a-z0-9]{1,8}@[a-z0-9]{1,8}\\.[a-z]{2,3}$"},
                       "age": {"type": "integer", "exclusiveMinimum": 0, "maximum": 9007199254740991},
                       "tags": {"type": "array", "items": _WORD, "minItems": 1, "maxItems": 2}},
        "required": ["email", "age", "tags"], "additionalProperties": False,
    },
    "openai steps": _object(
        steps={"type": "array", "items": _object(explanation=_WORD, output=_WORD), "maxItems": 2}, final_answer=_WORD),
    "openai interface": {
        "$defs": {"ui": _object(
            type={"type": "string", "enum": ["div", "button", "form"]}, label=_WORD,
            children={"type": "array", "items": {"$ref": "#/$defs/ui"}, "maxItems": 2},
            attributes={"type": "array", "items": _object(name=_WORD, value=_WORD), "maxItems": 2})},
        "$ref": "#/$defs/ui",
    },
    "tool call": _object(name={"const": "get_weather"}, arguments=_object(
        city=_WORD, unit={"type": ["string", "null"], "enum": ["c", "f", None]})),
    "moderation": _object(is_violating=_BOOL, category={"anyOf": [
        {"type": "string", "enum": ["violence", "self_harm"]}, _NULL]}, explanation={"anyOf": [_WORD, _NULL]}),
    "deep": {"type": "array", "maxItems": 1, "items": {"type": "array", "maxItems": 1, "items": {
        "type": "object", "properties": {"a": {"type": "array", "items": _INT, "maxItems": 1}}, "required": ["a"]}}},
}  # fmt: skip

#: Schemas to which no answer can be made, and a word that the sentence about each must have.
REFUSED: dict[str, tuple[str, str]] = {
    "no json": ("{\"type\": ", "no JSON"),
    "empty": ("", "no JSON"),
    "a list": ("[1, 2]", "no object"),
    "false": ("false", "no object"),
    "a text": ("\"object\"", "no object"),
    "unknown type": ('{"type": "text"}', "text"),
    "type of a wrong kind": ('{"type": 5}', "type"),
    "bound of a wrong kind": ('{"type": "integer", "minimum": "x"}', "minimum"),
    "bound of a wrong, long kind": ('{"type": "integer", "minimum": "' + "ä" * 300 + '"}', "not understood"),
    "nothing between": ('{"type": "integer", "minimum": 10, "maximum": 5}', "minimum"),
    "no choice": ('{"enum": []}', "empty"),
    "no such reference": ('{"$ref": "#/$defs/zz"}', "zz"),
    "reference elsewhere": ('{"$ref": "https://example.org/schema.json"}', "example.org"),
    "reference to itself": ('{"$ref": "#"}', "nothing can be written"),
    "unique items": ('{"type": "array", "uniqueItems": true}', "uniqueItems"),
    "conditions": ('{"if": {"type": "string"}, "then": {"minLength": 2}}', "if"),
    "not": ('{"not": {"type": "string"}}', "not"),
    "look-around": ('{"type": "string", "pattern": "(?=x)y"}', "look-around"),
    "broken pattern": ('{"type": "string", "pattern": "(("}', "regex"),
    "one of alike": ('{"oneOf": [{"type": "integer"}, {"type": "number"}]}', "oneOf"),
    "large divisor": ('{"type": "integer", "multipleOf": 1000003}', "multipleOf"),
    "too deep": ('{"type": "array", "items": ' * 100 + "{}" + "}" * 100, "deeper"),
    "far too deep": ("[" * 100_000, "JSON"),
    "too long": ('{"description": "' + "x" * 300_000 + '"}', "longer"),
    "too many choices at once": (
        '{"allOf": [' + ",".join('{"anyOf": [' + ",".join(
            f'{{"type": "object", "properties": {{"p{i}{j}": {{"type": "string"}}}}}}' for j in range(3)
        ) + "]}" for i in range(14)) + "]}", "too large"),
    "too many properties": (
        '{"type": "object", "properties": {' + ",".join(f'"p{i}": {{"type": "string"}}' for i in range(2500)) + "}}",
        "not required"),
}  # fmt: skip

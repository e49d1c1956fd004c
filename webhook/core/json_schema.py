"""Validates decoded JSON against the part of JSON Schema that driver packs use; problems carry field paths.

Objects are strict, as Go decodes them for a driver: a property that the schema does not name is a problem, unless
`additionalProperties` is true or a schema. Null is an absent field. Beside JSON Schema's own keywords there are the
format `quantity` (with `minimum` as a quantity), and `keys` (a pattern for the keys of a map) with `keysAre`, its
meaning in words. `description` says why a requirement is there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from webhook.core.fieldpath import FieldPath
from webhook.core.quantity import parse_quantity
from webhook.core.raw import EMPTY, RawObject

_KEYWORDS = frozenset(
    {"type", "properties", "additionalProperties", "required", "enum", "const", "minimum", "maximum", "minLength"}
    | {"maxLength", "pattern", "format", "items", "allOf", "if", "then", "keys", "keysAre", "default", "description"}
)
_TYPES = {"object": "an object", "array": "a list", "string": "a string", "integer": "an integer"} | {
    "number": "a number",
    "boolean": "true or false",
}


class SchemaProblemKind(Enum):
    """What is wrong; `UNKNOWN` is a field that is not there, `MISSING` one that must be."""

    UNKNOWN = "unknown"
    MISSING = "missing"
    EXCLUDED = "excluded"
    TYPE = "type"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class SchemaProblem:
    """One problem at one place. `name` is the field that is unknown, missing or excluded; else empty.

    `choices` are the fields or values that are allowed, where they can be listed; `default` what the schema proposes,
    `advice` what to write in words.
    """

    kind: SchemaProblemKind
    path: FieldPath
    message: str
    value: Any = None
    name: str = ""
    choices: tuple[Any, ...] = ()
    default: Any = None
    why: str = ""
    advice: str = ""


def schema_problems(value: Any, schema: RawObject, path: FieldPath) -> Iterator[SchemaProblem]:
    """Yield what is wrong with a value that is not null."""
    wanted = schema.get("type")
    if wanted is not None and not _is_of(value, wanted):
        yield SchemaProblem(
            SchemaProblemKind.TYPE, path, f"must be {_TYPES[wanted]}", value, default=_read(value, wanted)
        )
        return
    yield from _value_problems(value, schema, path)
    if isinstance(value, dict):
        yield from _object_problems(value, schema, path)
    if isinstance(value, list) and "items" in schema:
        for position, item in enumerate(value):
            yield from schema_problems(item, schema["items"], path.index(position))
    for rule in schema.get("allOf", ()):
        if not any(schema_problems(value, _lenient(rule["if"]), path)):
            yield from schema_problems(value, _lenient(rule["then"]), path)


def _value_problems(value: Any, schema: RawObject, path: FieldPath) -> Iterator[SchemaProblem]:
    problem = _value_problem(value, schema)
    if problem:
        choices = tuple(schema.get("enum", ()))
        default, why = schema.get("default"), schema.get("description", "")
        yield SchemaProblem(
            SchemaProblemKind.VALUE,
            path,
            problem,
            value,
            choices=choices,
            default=default,
            why=why,
            advice=_advice(schema),
        )


def _advice(schema: RawObject) -> str:
    """Return what a schema wants, in words; empty where its problem says it already."""
    least, most = schema.get("minimum"), schema.get("maximum")
    if schema.get("format") == "quantity":
        return f"write a quantity of at least '{least}', such as '4Gi'" if least is not None else "write a quantity"
    if least is not None and most is not None:
        return f"write a number from {least} to {most}"
    if least is not None:
        return f"write a number of at least {least}"
    return "write " + schema["description"] if "description" in schema else ""


def _value_problem(value: Any, schema: RawObject) -> str:
    if "const" in schema and value != schema["const"]:
        return f"must be {written(schema['const'])}"
    if "enum" in schema and value not in schema["enum"]:
        return f"must be one of {', '.join(map(written, schema['enum']))}, not {written(value)}"
    if schema.get("format") == "quantity":
        return _quantity_problem(value, schema)
    if isinstance(value, str):
        return _text_problem(value, schema)
    if isinstance(value, int | float) and not isinstance(value, bool):
        if "minimum" in schema and value < schema["minimum"]:
            return f"must be greater than or equal to {schema['minimum']}, not {value}"
        if "maximum" in schema and value > schema["maximum"]:
            return f"must be less than or equal to {schema['maximum']}, not {value}"
    return ""


def _quantity_problem(value: Any, schema: RawObject) -> str:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return "must be a quantity such as '4Gi'"
    try:
        amount = parse_quantity(value)
    except ValueError:
        return f"must be a quantity such as '4Gi', not {written(value)}"
    least = schema.get("minimum")
    if least is not None and amount < parse_quantity(least):
        return f"must be greater than or equal to '{least}', not '{amount}'"
    return ""


def _text_problem(value: str, schema: RawObject) -> str:
    if len(value) < schema.get("minLength", 0):
        return "must not be empty" if not value else f"must have at least {schema['minLength']} characters"
    if len(value) > schema.get("maxLength", len(value)):
        return f"must have at most {schema['maxLength']} characters"
    if "pattern" in schema and not re.fullmatch(schema["pattern"], value):
        return f"must match the regular expression '{schema['pattern']}', not {written(value)}"
    return ""


def _object_problems(value: RawObject, schema: RawObject, path: FieldPath) -> Iterator[SchemaProblem]:
    properties: RawObject = schema.get("properties", EMPTY)
    why = schema.get("description", "")
    for name in schema.get("required", ()):
        if value.get(name) is None:
            proposed = _schema_of(properties.get(name))
            choices = tuple(proposed.get("enum", ()))
            yield SchemaProblem(
                SchemaProblemKind.MISSING, path, f"`{name}` must be set", name=name, choices=choices,
                default=proposed.get("default"), why=why,
            )  # fmt: skip
    for name, item in value.items():
        if item is None:
            continue
        if name in properties:
            yield from _property_problems(name, item, properties[name], path, why)
        else:
            yield from _additional_problems(name, item, schema, path)


def _property_problems(name: str, value: Any, schema: Any, path: FieldPath, why: str) -> Iterator[SchemaProblem]:
    if schema is False:
        message = why or f"`{name}` must not be set"
        yield SchemaProblem(SchemaProblemKind.EXCLUDED, path.child(name), message, value, name)
    elif schema is not True:
        yield from schema_problems(value, schema, path.child(name))


def _additional_problems(name: str, value: Any, schema: RawObject, path: FieldPath) -> Iterator[SchemaProblem]:
    additional = schema.get("additionalProperties", False)
    if additional is False:
        choices = tuple(schema.get("properties", ()))
        yield SchemaProblem(
            SchemaProblemKind.UNKNOWN, path.child(name), f"`{name}` is no field here", value, name, choices
        )
        return
    if "keys" in schema and not re.fullmatch(schema["keys"], name):
        message = f"the key '{name}' must be {schema['keysAre']}"
        advice = f"write {schema['keysAre']}"
        yield SchemaProblem(SchemaProblemKind.VALUE, path.key(name), message, value, advice=advice)
    if additional is not True:
        yield from schema_problems(value, additional, path.key(name))


def _lenient(schema: RawObject) -> RawObject:
    """Return a schema of a condition: it speaks of some fields and leaves the others alone."""
    return {"additionalProperties": True, **schema}


def _schema_of(schema: Any) -> RawObject:
    return schema if isinstance(schema, dict) else EMPTY


def _is_of(value: Any, wanted: str) -> bool:
    match wanted:
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case _:
            return isinstance(value, int | float) and not isinstance(value, bool)


def _read(value: Any, wanted: str) -> Any:
    """Return what a text or number surely means in another type; None where that is not sure."""
    if wanted == "integer" and isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value):
        return int(value)
    if wanted == "boolean" and value in ("true", "false"):
        return value == "true"
    if wanted == "string" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def written(value: Any) -> str:
    """Return a value as messages show it: texts in single quotes, cut where they are long."""
    if isinstance(value, str):
        return f"'{value[:60]}{'...' if len(value) > 60 else ''}'"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else "this"


def checked_schema(schema: Any) -> str | None:
    """Return the first thing in a schema that this module does not understand; None where it understands all."""
    if isinstance(schema, bool):
        return None
    if not isinstance(schema, dict):
        return f"{schema!r} is no schema"
    unknown = sorted(set(schema) - _KEYWORDS)
    if unknown or schema.get("type", "object") not in _TYPES or schema.get("format", "quantity") != "quantity":
        return ", ".join(unknown) or f"type {schema.get('type')}, format {schema.get('format')}"
    inner = [
        *schema.get("properties", EMPTY).values(),
        schema.get("additionalProperties", True),
        schema.get("items", True),
    ]
    inner += [part for rule in schema.get("allOf", ()) for part in (rule["if"], rule["then"])]
    return next((found for part in inner if (found := checked_schema(part)) is not None), None)

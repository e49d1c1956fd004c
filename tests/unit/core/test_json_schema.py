"""The part of JSON Schema that driver packs use."""

from typing import Any

import pytest

from webhook.core.fieldpath import ROOT
from webhook.core.json_schema import checked_schema, schema_problems

OPEN = {"type": "object", "additionalProperties": True}


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        ({"a": 1}, {"type": "object", "properties": {"a": {"type": "integer"}}}, []),
        ({"a": True}, {"type": "object", "properties": {"a": {"type": "integer"}}}, ["a: must be an integer"]),
        ({"a": None}, {"type": "object", "required": ["a"], "properties": {"a": {}}}, [": `a` must be set"]),
        ({"b": 1}, {"type": "object"}, ["b: `b` is no field here"]),
        ({"b": 1}, OPEN, []),
        ({"b": 1}, {"type": "object", "additionalProperties": {"type": "string"}}, ["[b]: must be a string"]),
        ([1, "x"], {"type": "array", "items": {"type": "integer"}}, ["[1]: must be an integer"]),
        (1.5, {"type": "number", "minimum": 2}, [": must be greater than or equal to 2, not 1.5"]),
        ("", {"type": "string", "minLength": 1}, [": must not be empty"]),
        ("1Gi", {"format": "quantity", "minimum": "1Mi"}, []),
        (True, {"format": "quantity"}, [": must be a quantity such as '4Gi'"]),
        ("x", {"const": "y"}, [": must be 'y'"]),
        (
            {"a": 1, "b": 2},
            {**OPEN, "allOf": [{"if": {"required": ["a"]}, "then": {"properties": {"b": False}}}]},
            ["b: `b` must not be set"],
        ),
        ({"b": 2}, {**OPEN, "allOf": [{"if": {"required": ["a"]}, "then": {"properties": {"b": False}}}]}, []),
    ],
)
def test_a_value_is_judged_by_its_schema(value: Any, schema: dict[str, Any], expected: list[str]) -> None:
    assert checked_schema(schema) is None
    assert [f"{problem.path}: {problem.message}" for problem in schema_problems(value, schema, ROOT)] == expected


@pytest.mark.parametrize("schema", [{"oneOf": []}, {"type": "null"}, {"properties": {"a": {"type": "text"}}}, []])
def test_a_schema_that_is_not_understood_is_told(schema: Any) -> None:
    assert checked_schema(schema) is not None

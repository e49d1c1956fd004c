"""YAML as `sigs.k8s.io/yaml` makes JSON of it: no dates, keys are strings, no value that holds itself.

Nothing that a text holds can take the process with it: nesting and aliases have limits.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from math import isfinite
from typing import Any

import yaml

_FLOAT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_INT = re.compile(r"^[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)$")
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_HALF = re.compile("[\ud800-\udfff]")

DEEPEST = 1_000
"""Levels of nesting that are read: the library would recurse in C, and end the process where the stack ends."""
MOST_VALUES = 400_000
"""How many values aliases may make of a document that is written with fewer; Kubernetes' own reader has this limit."""


class Loader(yaml.CSafeLoader):
    """Safe YAML with the values of JSON."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return the value of a node; a ConstructorError where it is none of its tag (`!!int x`)."""
        try:
            return super().construct_object(node, deep=deep)
        except (AttributeError, IndexError, KeyError, ValueError):
            kind = str(node.tag).removeprefix(_TAG)
            problem = f"the value must be of its type '{kind}'"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put in what `<<` names; each key once, for merges of merges would multiply."""
        merges = any(key.tag == f"{_TAG}merge" for key, _ in node.value)
        super().flatten_mapping(node)
        if merges:
            node.value = list({_identity(key): (key, value) for key, value in node.value}.values())

    def construct_finite_float(self, node: yaml.ScalarNode) -> float | str:
        """Return the number; the text of one that JSON cannot hold."""
        value = float(super().construct_yaml_float(node))
        return value if isfinite(value) else str(node.value)

    def construct_encoded_text(self, node: yaml.ScalarNode) -> str:
        """Return what is encoded, as a text; ValueError where it is no base64."""
        try:
            return bytes(super().construct_yaml_binary(node)).decode("utf-8", "replace")
        except yaml.constructor.ConstructorError:
            raise ValueError("no base64") from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping with its keys as JSON has them: strings."""
        return {_key_text(key): value for key, value in super().construct_mapping(node, deep=deep).items()}


_TAG = "tag:yaml.org,2002:"
_OWN_SCALARS = {f"{_TAG}timestamp", f"{_TAG}int", f"{_TAG}float", f"{_TAG}value"}
Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _OWN_SCALARS]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
for _name, _construct in (
    ("timestamp", Loader.construct_yaml_str),
    ("float", Loader.construct_finite_float),
    ("binary", Loader.construct_encoded_text),
    ("set", Loader.construct_yaml_map),
    ("omap", Loader.construct_yaml_seq),
    ("pairs", Loader.construct_yaml_seq),
):
    Loader.add_constructor(f"{_TAG}{_name}", _construct)
Loader.add_implicit_resolver(f"{_TAG}int", _INT, list("-+0123456789"))
Loader.add_implicit_resolver(f"{_TAG}float", _FLOAT, list("-+0123456789."))


def values_of(part: str) -> Iterator[object]:
    """Yield what the documents of a text hold, with the values of JSON; a YAMLError where it cannot be read."""
    if _is_deep(part):
        raise yaml.MarkedYAMLError(problem=f"nested deeper than {DEEPEST} levels")
    if part.lstrip().startswith("{"):
        try:
            yield _json(part)
        except ValueError:
            yield from _loaded(part)
    else:
        yield from _loaded(part)


def _json(part: str) -> object:
    """Return the value of a JSON text, halves of surrogate pairs replaced as Go does; a ValueError where it is none."""
    value = json.loads(part, parse_float=_number, parse_constant=_no_number)
    if _ESCAPED_HALF.search(part):
        value = json.loads(_HALF.sub("\ufffd", json.dumps(value, ensure_ascii=False)))
    return value


def _number(text: str) -> float | str:
    """Return the number; the text of one that a double cannot hold."""
    value = float(text)
    return value if isfinite(value) else text


def _no_number(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON")


def _loaded(part: str) -> Iterator[object]:
    for value in yaml.load_all(part, Loader=Loader):  # Loader is a safe loader
        if "*" in part and "&" in part and not _is_bounded(value, max(MOST_VALUES, len(part))):
            raise yaml.MarkedYAMLError(problem="its aliases hold themselves, or make too many values")
        yield value


def _is_deep(part: str) -> bool:
    """Return whether a text is nested too deeply; a level takes a bracket, or in two lines at least a column more."""
    widest = max(map(len, part.splitlines()), default=0)
    if part.count("[") + part.count("{") + 2 * widest <= DEEPEST:
        return False
    depth = 0
    with suppress(yaml.YAMLError):  # JSON that is no YAML
        for event in yaml.parse(part, Loader=yaml.CSafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                return True
    return False


def _is_bounded(value: object, most: int) -> bool:
    """Return whether a value holds at most so many, each alias counted; one that holds itself never ends."""
    waiting = [value]
    count = 0
    while waiting:
        container = waiting.pop()
        inner = container.values() if isinstance(container, dict) else container if isinstance(container, list) else ()
        count += len(inner)
        if count > most:
            return False
        waiting.extend(inner)
    return True


def _identity(key: yaml.Node) -> object:
    return (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key)


def _key_text(key: object) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return "null" if key is None else str(key)

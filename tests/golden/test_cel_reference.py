"""docs/reference/cel.md is made from the declarations of the environments; `--update-golden` writes it."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from webhook.cel.environment import VERSIONS, Environment, Overload, Sized, device_environment
from webhook.cel.types import Type, declared_type

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "cel.md"
OPERATORS = {
    "_&&_": "a && b",
    "_||_": "a || b",
    "!_": "!a",
    "-_": "-a",
    "_?_:_": "a ? b : c",
    "_==_": "a == b",
    "_!=_": "a != b",
    "_<_": "a < b",
    "_<=_": "a <= b",
    "_>_": "a > b",
    "_>=_": "a >= b",
    "@in": "a in b",
    "_+_": "a + b",
    "_-_": "a - b",
    "_*_": "a * b",
    "_/_": "a / b",
    "_%_": "a % b",
    "_[_]": "a[b]",
    "_[?_]": "a[?b]",
    "_?._": "a.?b",
}


def since(found: Iterable[str]) -> str:
    """The versions that have something, as short as can be."""
    versions = [version for version in VERSIONS if version in set(found)]
    if len(versions) == len(VERSIONS):
        return "all"
    return f"from {versions[0]}" if versions == list(VERSIONS[VERSIONS.index(versions[0]) :]) else ", ".join(versions)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def shown(type_: Type) -> str:
    return declared_type(type_).replace("<", "").replace(">", "")


def signature(name: str, overload: Overload, method: bool) -> str:
    types = [shown(parameter) for parameter in overload.parameters]
    if name in OPERATORS:
        return f"`{OPERATORS[name]}` with {', '.join(types)}"
    head = f"{types.pop(0)}." if method else ""
    return f"`{head}{name}({', '.join(types)})`"


def functions(environments: dict[str, Environment]) -> list[tuple[str, str, str]]:
    rows: dict[tuple[str, str], list[str]] = {}
    for version, environment in environments.items():
        for name, function in environment.functions.items():
            if name.startswith(("@", "_", "!", "-", "cel.@")) and name not in OPERATORS:
                continue
            for method, overloads in ((False, function.functions), (True, function.methods)):
                for overload in overloads:
                    row = signature(name, overload, method), f"`{shown(overload.result)}`"
                    rows.setdefault(row, []).append(version)
    return [(*row, since(versions)) for row, versions in sorted(rows.items(), key=lambda item: sort_key(item[0][0]))]


def sort_key(text: str) -> tuple[bool, str]:
    name = text.strip("`").partition("(")[0].rpartition(".")[2]
    return " with " not in text, name.lower() + text


def macros(environments: dict[str, Environment]) -> list[tuple[str, str]]:
    rows: dict[str, list[str]] = {}
    for version, environment in environments.items():
        for name, count, method in environment.macros:
            arguments = "one argument" if count == 1 else f"{count} arguments"
            rows.setdefault(f"`{'value.' if method else ''}{name}` with {arguments}", []).append(version)
    return [(row, since(versions)) for row, versions in sorted(rows.items())]


def fields(environments: dict[str, Environment]) -> list[tuple[str, str, str]]:
    rows: dict[tuple[str, str], list[str]] = {}
    for version, environment in environments.items():
        for name, sized in environment.sizes["device"].items():
            rows.setdefault((f"`device.{name}`", sizes(sized)), []).append(version)
    return [(*row, since(versions)) for row, versions in sorted(rows.items())]


def sizes(sized: Sized) -> str:
    inside = f" of at most {sized.size}" if sized.size > 1 else ""
    if sized.element is None:
        return f"{shown(sized.type)}{inside}"
    assert sized.key is not None
    return f"map{inside} from {sizes(sized.key)} to {sizes(sized.element)}"


def page() -> str:
    """Return the page of the language of selectors."""
    environments = {version: device_environment(version, consumable_capacity=True) for version in VERSIONS}
    names = sorted({name for environment in environments.values() for name in environment.names if name != "device"})
    return (
        "# The language of selectors\n\n"
        "What `spec.devices.requests[].exactly.selectors[].cel.expression` may use, by Kubernetes version.\n"
        "This is what the API server offers to *new* expressions; an update that leaves the selectors of an object as\n"
        "they are may also use what the next release brings (`drawbridge cel --stored`).\n"
        "How it is judged: [CEL type checking](../explanation/cel-type-checking.md).\n\n"
        "An expression has at most 10,240 bytes, nests at most 250 deep, may cost at most 1,000,000 units, and gives\n"
        "`bool` or the bare value of an attribute.\n\n"
        "## Variables\n\n"
        + table(("variable", "type", "versions"), fields(environments))
        + "\n`allowMultipleAllocations` needs the feature gate DRAConsumableCapacity, which is on from 1.36.\n"
        "With the gate DRAListTypeAttributes (from 1.36, off) attributes may be lists, and there is `includes`.\n"
        "\n"
        "## Macros\n\n"
        + table(("macro", "versions"), macros(environments))
        + "\n## Operators, functions and methods\n\n"
        "`A`, `B`, `K`, `T` and `V` stand for any type; a type in front of a dot is the receiver's.\n\n"
        + table(("form", "gives", "versions"), functions(environments))
        + "\n## Names of types\n\n"
        + "".join(f"- `{name}`\n" for name in names)
    )


def test_the_page_says_what_the_declarations_say(request: pytest.FixtureRequest) -> None:
    actual = page()
    if request.config.getoption("--update-golden"):
        PAGE.write_text(actual)
    assert PAGE.read_text() == actual

"""All functions of all libraries in one table."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final, NamedTuple

from webhook.cel.functions import (
    authorization,
    conversions,
    lists,
    named_formats,
    network,
    numbers,
    optionals,
    quantities,
    regex,
    semver,
    strings,
    times,
    urls,
)
from webhook.cel.functions.dispatch import (
    FunctionTable,
    Guarded,
    Implementation,
    Operator,
    OperatorTable,
    Overload,
    dispatched,
    guarded_operator,
    guarded_overload,
    guarded_pair,
)
from webhook.cel.functions.legacy import LEGACY
from webhook.cel.functions.quantity_state import CHANGING, CHANGING_SUMS, quantities_change
from webhook.cel.syntax import Ast
from webhook.cel.values import Value, no_such_overload

_MODULES: Final = (
    conversions,
    strings,
    lists,
    optionals,
    times,
    quantities,
    semver,
    network,
    urls,
    named_formats,
    regex,
    authorization,
)


def _merged() -> FunctionTable:
    table: dict[str, tuple[Overload, ...]] = {}
    for module in _MODULES:
        for name, overloads in module.FUNCTIONS.items():
            table[name] = (*table.get(name, ()), *overloads)
    return table


class Edition(NamedTuple):
    """Which functions run: `modern` those of Kubernetes 1.37, not of before; see `quantity_state` for the other."""

    modern: bool
    quantities_change: bool = False


MODERN: Final = Edition(modern=True)
_REPLACED: Final[Mapping[Edition, Mapping[str, Implementation]]] = {
    MODERN: {},
    Edition(modern=True, quantities_change=True): CHANGING,
    Edition(modern=False): LEGACY,
    Edition(modern=False, quantities_change=True): {**LEGACY, **CHANGING, **CHANGING_SUMS},
}


def edition_for(ast: Ast, modern: bool) -> Edition:
    """The edition for an expression."""
    return Edition(modern, quantities_change(ast, modern))


def not_strictly_false(value: Value) -> bool:
    """The condition of `all` and `exists`: anything but false goes on."""
    return value is not False


def _unbound(*_: Value) -> Value:
    raise no_such_overload()


OPERATORS: Final[OperatorTable] = {
    **numbers.OPERATORS,
    **conversions.OPERATORS,
    **lists.OPERATORS,
    **regex.OPERATORS,
    "@not_strictly_false": Operator(not_strictly_false),
    "__not_strictly_false__": Operator(not_strictly_false),
}
FUNCTIONS: Final[FunctionTable] = _merged()
# Functions that the reference folds where their argument is constant.
CONVERSIONS: Final = frozenset(
    {"bool", "bytes", "double", "dyn", "duration", "int", "string", "timestamp", "type", "uint"}
)


def is_keen(function: str, overload: str, count: int) -> bool:
    """Whether the reference runs the call with a list of arguments, and so stops at the first error in it."""
    return count > 2 or function == "format" or (not overload and len(FUNCTIONS.get(function, ())) > 1)


@lru_cache(maxsize=1024)
def implementation(function: str, overloads: tuple[str, ...], edition: Edition = MODERN) -> Implementation:
    """What runs a call of the function, given the overloads that the checker left open."""
    operator = OPERATORS.get(function)
    if operator is not None:
        return guarded_operator(function, operator)
    declared = FUNCTIONS.get(function)
    if declared is None:
        return _unbound
    overload = _only(declared, overloads)
    if overload is not None:
        return guarded_overload(function, _as_in(edition, overload))
    return dispatched(function, [_as_in(edition, one) for one in declared])


@lru_cache(maxsize=1024)
def guarded(function: str, overloads: tuple[str, ...], edition: Edition = MODERN) -> Guarded | None:
    """The same for a call with two arguments, in parts, where one overload alone can run and classes tell."""
    overload = _only(FUNCTIONS.get(function, ()), overloads)
    return None if function in OPERATORS or overload is None else guarded_pair(_as_in(edition, overload))


def _only(declared: tuple[Overload, ...], overloads: tuple[str, ...]) -> Overload | None:
    """The overload that the checker left, or the only one that there is."""
    if len(declared) == 1:
        return declared[0]
    if len(overloads) != 1:
        return None
    return next((overload for overload in declared if overload.id == overloads[0]), None)


def _as_in(edition: Edition, overload: Overload) -> Overload:
    run = _REPLACED[edition].get(overload.id)
    return overload if run is None else replace(overload, run=run)

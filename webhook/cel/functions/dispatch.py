"""How a call finds its implementation at run time, and what happens when the types do not fit.

Source: cel-go common/decls (Bindings, matchesRuntimeSignature) and interpreter/planner.go: a call whose
overload the checker knows runs that one behind a guard, others try the overloads in order; the operators
of the standard library look only at what their first operand can do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from webhook.cel.types import Kind, Type
from webhook.cel.values import Duration, EvaluationError, Timestamp, Value, classes_of, no_such_overload, type_name

Implementation: TypeAlias = Callable[..., Value]
Test: TypeAlias = Callable[[Value], bool]


@dataclass(frozen=True, slots=True)
class Overload:
    """One signature of a function. A method's receiver is its first parameter.

    `unguarded`: called by its id, it checks the types of its arguments itself.
    """

    id: str
    parameters: tuple[Type, ...]
    run: Implementation
    unguarded: bool = False


@dataclass(frozen=True, slots=True)
class Operator:
    """A function with one implementation for all overloads; `fits` tells the classes its first operand may have."""

    run: Implementation
    fits: frozenset[type] | None = None


FunctionTable: TypeAlias = Mapping[str, tuple[Overload, ...]]
OperatorTable: TypeAlias = Mapping[str, Operator]

_ANYTHING: Final = frozenset({Kind.DYN, Kind.ANY, Kind.PARAMETER})
# Types that cel-go lets receive any method: they answer with the short message.
_RECEIVERS: Final = frozenset({str, Duration, Timestamp})


def no_overload_for(function: str, args: Sequence[Value]) -> EvaluationError:
    """The function has no overload for the types of these values."""
    return EvaluationError(f"no such overload: {function}({', '.join(map(type_name, args))})")


def operator_misfit(function: str, first: Value) -> EvaluationError:
    """The first operand's type does not have the operation at all."""
    if type(first) in _RECEIVERS:
        return no_such_overload()
    return EvaluationError(f"no such overload: {function}")


def guarded_operator(function: str, operator: Operator) -> Implementation:
    """The operator with a check of its first operand."""
    run, fits = operator.run, operator.fits
    if fits is None:
        return run

    def call(first: Value, *rest: Value) -> Value:
        if type(first) in fits:
            return run(first, *rest)
        raise operator_misfit(function, first)

    return call


class Guarded(NamedTuple):
    """An implementation with two parameters, and the classes that each of them takes."""

    run: Implementation
    first: frozenset[type]
    second: frozenset[type]


def guarded_pair(overload: Overload) -> Guarded | None:
    """The overload, if it has two parameters and classes alone tell what fits them."""
    if overload.unguarded or len(overload.parameters) != 2:
        return None
    first, second = map(fitting_classes, overload.parameters)
    return None if first is None or second is None else Guarded(overload.run, first, second)


def guarded_overload(function: str, overload: Overload) -> Implementation:
    """The overload with a check of its arguments' types."""
    if overload.unguarded:
        return overload.run
    run = overload.run
    classes = tuple(map(fitting_classes, overload.parameters))
    if None not in classes and len(classes) == 1:
        return _guarded_one(function, run, classes[0] or frozenset())
    if None not in classes and len(classes) == 2:
        return _guarded_two(function, run, classes[0] or frozenset(), classes[1] or frozenset())
    tests = tuple(map(fitting_test, overload.parameters))

    def call(*args: Value) -> Value:
        for test, value in zip(tests, args, strict=True):
            if test is not None and not test(value):
                raise no_overload_for(function, args)
        return run(*args)

    return call


def _guarded_one(function: str, run: Implementation, fits: frozenset[type]) -> Implementation:
    def call(value: Value) -> Value:
        if type(value) in fits:
            return run(value)
        raise no_overload_for(function, (value,))

    return call


def _guarded_two(function: str, run: Implementation, first: frozenset[type], second: frozenset[type]) -> Implementation:
    def call(value: Value, other: Value) -> Value:
        if type(value) in first and type(other) in second:
            return run(value, other)
        raise no_overload_for(function, (value, other))

    return call


def dispatched(function: str, overloads: Sequence[Overload]) -> Implementation:
    """The first overload that fits the arguments, looked for at each call."""
    table = [(len(one.parameters), tuple(map(fitting_test, one.parameters)), one.run) for one in overloads]

    def call(*args: Value) -> Value:
        count = len(args)
        for arity, tests, run in table:
            if arity == count and all(test is None or test(value) for test, value in zip(tests, args, strict=True)):
                return run(*args)
        raise no_overload_for(function, args)

    return call


def fitting_classes(declared: Type) -> frozenset[type] | None:
    """The classes of the values that fit a parameter; None where the class alone does not tell."""
    if declared.kind in _ANYTHING or (declared.kind == Kind.LIST and declared.parameters[0].kind not in _ANYTHING):
        return None
    return classes_of(declared.name)


def fitting_test(declared: Type) -> Test | None:
    """A test whether a value fits a parameter; None for one that takes anything.

    Of a list, the first element decides.
    """
    if declared.kind in _ANYTHING:
        return None
    classes = classes_of(declared.name)
    element = fitting_test(declared.parameters[0]) if declared.kind == Kind.LIST else None
    if element is None:
        return lambda value: type(value) in classes
    return lambda value: type(value) in classes and (not value or element(value[0]))

"""The closures that a compiled expression is made of, and how they treat errors: variables and operators.

An error is an exception; only `&&`, `||` and the loops of macros catch it, as only they may go on.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeAlias

from webhook.cel.functions.dispatch import Guarded, no_overload_for
from webhook.cel.functions.optionals import used
from webhook.cel.runtime_cost import check_countable
from webhook.cel.syntax import GREATER, GREATER_EQUALS, LESS, LESS_EQUALS
from webhook.cel.values import (
    LISTS,
    MAPS,
    MISSING,
    NONE,
    EvaluationError,
    GrowingList,
    GrowingMap,
    MapKey,
    Optional,
    Value,
    equal,
    map_key,
    no_such_overload,
)

Frame: TypeAlias = list[Value]
Closure: TypeAlias = Callable[[Frame], Value]


class Failed:
    """An error in place of a variable's value."""

    __slots__ = ("error",)

    def __init__(self, error: EvaluationError) -> None:
        self.error = error


class Lazy:
    """An accumulator that nothing has used yet."""

    __slots__ = ("initial",)

    def __init__(self, initial: Closure) -> None:
        self.initial = initial

    def force(self, frame: Frame) -> Value:
        """Its first value; an empty list or map is one that grows, and an error is kept."""
        try:
            return growing(self.initial(frame))
        except EvaluationError as error:
            return Failed(error)


def growing(value: Value) -> Value:
    """An empty list or map as one that grows in place."""
    if not value:
        if type(value) in LISTS:
            return GrowingList()
        if type(value) in MAPS:
            return GrowingMap()
    return value


def settled(value: Value) -> Value:
    """A list or map that grew, as one that does not any more."""
    if type(value) is GrowingList:
        return list(value)
    if type(value) is GrowingMap:
        return dict(value)
    return value


def settled_variable(slot: int) -> Closure:
    """A variable of `cel.bind` whose value cannot fail, so that it need not wait for its use."""
    return lambda frame: frame[slot]


def variable(slot: int) -> Closure:
    """A variable of a macro."""

    def get(frame: Frame) -> Value:
        value = frame[slot]
        if type(value) is Lazy:
            frame[slot] = value = value.force(frame)
        if type(value) is Failed:
            raise value.error
        return value

    return get


def all_true(terms: Sequence[Closure]) -> Closure:
    """`&&` of any number of terms: false wins over errors, the first error over truth."""
    return _joined(terms, decisive=False)


def any_true(terms: Sequence[Closure]) -> Closure:
    """`||` of any number of terms: truth wins over errors, the first error over falsehood."""
    return _joined(terms, decisive=True)


def _joined(terms: Sequence[Closure], *, decisive: bool) -> Closure:
    """`&&` and `||` are one thing with true and false exchanged: the decisive value ends them."""
    if len(terms) == 2:
        return _joined_pair(*terms, decisive=decisive)
    neutral = not decisive

    def run(frame: Frame) -> bool:
        error: EvaluationError | None = None
        for term in terms:
            try:
                value = term(frame)
            except EvaluationError as problem:
                error = error or problem
                continue
            if value is neutral:
                continue
            if value is decisive:
                return not neutral
            error = error or no_such_overload()
        if error is not None:
            raise error
        return neutral

    return run


def _joined_pair(first: Closure, second: Closure, *, decisive: bool) -> Closure:
    neutral = not decisive
    decides = _is_true if decisive else is_false

    def run(frame: Frame) -> bool:
        try:
            value = first(frame)
        except EvaluationError:
            if decides(second, frame):
                return decisive
            raise
        if value is neutral:
            value = second(frame)
            if value is True or value is False:
                return value
        elif value is decisive or decides(second, frame):
            return decisive
        raise no_such_overload()

    return run


def is_false(closure: Closure, frame: Frame) -> bool:
    """Whether the value is false, and neither something else nor an error."""
    try:
        value = closure(frame)
    except EvaluationError:
        return False
    return value is False


def _is_true(closure: Closure, frame: Frame) -> bool:
    try:
        value = closure(frame)
    except EvaluationError:
        return False
    return value is True


def conditional(condition: Closure, yes: Closure, no: Closure) -> Closure:
    """`c ? a : b`."""

    def choose(frame: Frame) -> Value:
        chosen = condition(frame)
        if chosen is True:
            return yes(frame)
        if chosen is False:
            return no(frame)
        raise no_such_overload()

    return choose


def _both(left: Closure, right: Closure, frame: Frame) -> tuple[Value, Value]:
    """Both operands; the right one is evaluated even if the left one fails, as only that tells a panic."""
    try:
        value = left(frame)
    except EvaluationError:
        with suppress(EvaluationError):
            right(frame)
        raise
    return value, right(frame)


def equals(left: Closure, right: Closure) -> Closure:
    """`==`."""

    def compare(frame: Frame) -> bool:
        mine, other = _both(left, right, frame)
        return equal(mine, other)

    return compare


def equals_constant(left: Closure, constant: Value) -> Closure:
    """`x == 'constant'`, where values of the constant's own type need no thought."""
    kind = type(constant)

    def compare(frame: Frame) -> Value:
        value = left(frame)
        return value == constant if type(value) is kind else equal(value, constant)

    return compare


def not_equals(left: Closure, right: Closure) -> Closure:
    """`!=`: values that cannot be compared differ."""

    def compare(frame: Frame) -> bool:
        return _differ(*_both(left, right, frame))

    return compare


def not_equals_constant(left: Closure, constant: Value) -> Closure:
    """`x != 'constant'`, as above."""
    kind = type(constant)

    def compare(frame: Frame) -> Value:
        value = left(frame)
        return value != constant if type(value) is kind else _differ(value, constant)

    return compare


def _differ(left: Value, right: Value) -> bool:
    try:
        return not equal(left, right)
    except EvaluationError:
        return True


def invocation(run: Callable[..., Value], args: Sequence[Closure], keen: bool, constant: Value = MISSING) -> Closure:
    """The call of a function; `keen`: an error in the first argument keeps the second from being evaluated.

    `constant`: the second argument, if it is a constant.
    """
    if len(args) == 1:
        (only,) = args
        return lambda frame: run(only(frame))
    if len(args) == 2 and not keen:
        first, second = args
        if constant is not MISSING:
            return lambda frame: run(first(frame), constant)

        def call(frame: Frame) -> Value:
            try:
                value = first(frame)
            except EvaluationError:
                with suppress(EvaluationError):
                    second(frame)
                raise
            return run(value, second(frame))

        return call
    return lambda frame: run(*[arg(frame) for arg in args])


def ordering(test: Callable[[int, int], bool], run: Callable[..., Value], sides: tuple[Closure, Closure]) -> Closure:
    """`<`, `<=`, `>`, `>=`: ints need no thought, anything else is `run`'s."""
    left, right = sides

    def compare(frame: Frame) -> Value:
        mine, other = _both(left, right, frame)
        return test(mine, other) if type(mine) is int and type(other) is int else run(mine, other)

    return compare


def ordering_with(operator: str, run: Callable[..., Value], left: Closure, constant: int) -> Closure:
    """`x >= 5` and the like."""

    def less(frame: Frame) -> Value:
        value = left(frame)
        return value < constant if type(value) is int else run(value, constant)

    def less_equals(frame: Frame) -> Value:
        value = left(frame)
        return value <= constant if type(value) is int else run(value, constant)

    def greater(frame: Frame) -> Value:
        value = left(frame)
        return value > constant if type(value) is int else run(value, constant)

    def greater_equals(frame: Frame) -> Value:
        value = left(frame)
        return value >= constant if type(value) is int else run(value, constant)

    return {LESS: less, LESS_EQUALS: less_equals, GREATER: greater, GREATER_EQUALS: greater_equals}[operator]


def method_with(function: str, method: Guarded, receiver: Closure, constant: Value) -> Closure:
    """`x.f('constant')` where the constant fits."""
    run, fits, _ = method

    def call(frame: Frame) -> Value:
        value = receiver(frame)
        if type(value) in fits:
            return run(value, constant)
        raise no_overload_for(function, (value, constant))

    return call


def countable(argument: Closure, overload: str, position: int) -> Closure:
    """An argument whose type the reference takes for granted when it counts the call's cost."""

    def get(frame: Frame) -> Value:
        try:
            value = argument(frame)
        except EvaluationError as error:
            check_countable(overload, position, error)
            raise
        check_countable(overload, position, value)
        return value

    return get


def membership(element: Closure, members: frozenset[MapKey]) -> Closure:
    """`x in [constants]`."""

    def test(frame: Frame) -> bool:
        value = element(frame)
        return value in members if type(value) is str else map_key(value) in members

    return test


def optional_or(left: Closure, right: Closure, unwrap: bool, modern: bool) -> Closure:
    """`a.or(b)` and `a.orValue(b)`: b is evaluated only if a holds nothing.

    Before 1.37, what is no optional was its own alternative, and what an optional holds may be an error.
    """
    if unwrap and modern:
        return _value_or(left, right)

    def choose(frame: Frame) -> Value:
        value = left(frame)
        if type(value) is not Optional:
            if modern:
                raise no_such_overload()
            return value
        if value is NONE:
            return right(frame)
        return used(value.value) if unwrap else value

    return choose


def _value_or(left: Closure, right: Closure) -> Closure:
    def choose(frame: Frame) -> Value:
        value = left(frame)
        if type(value) is not Optional:
            raise no_such_overload()
        return right(frame) if value is NONE else value.value

    return choose

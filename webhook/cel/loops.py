"""Closures of what macros expand into: loops, and `cel.bind`."""

from collections.abc import Iterable
from typing import NamedTuple

from webhook.cel.closures import Closure, Failed, Frame, Lazy, growing, is_false, settled
from webhook.cel.qualify import go_type
from webhook.cel.values import LISTS, MAPS, EvaluationError, Value, key_value, no_such_overload


class Items(NamedTuple):
    """What a loop runs over, and the slots of its variables."""

    over: Closure
    first: int
    second: int | None


class Loop(NamedTuple):
    """The accumulator's slot and first value, the condition to go on, and the accumulator's next value."""

    accumulator: int
    initial: Closure
    condition: Closure
    step: Closure


def bound(slot: int, initial: Closure, body: Closure) -> Closure:
    """`cel.bind(name, value, body)`."""

    def run(frame: Frame) -> Value:
        frame[slot] = Lazy(initial)
        return settled(body(frame))

    return run


def bound_at_once(slot: int, initial: Closure, body: Closure) -> Closure:
    """The same for a value that cannot fail."""

    def run(frame: Frame) -> Value:
        frame[slot] = growing(initial(frame))
        return settled(body(frame))

    return run


def all_elements(value: Value) -> Iterable[Value]:
    """The elements of a list, the keys of a map."""
    if type(value) in LISTS:
        return value  # type: ignore[no-any-return]  # just tested
    if type(value) in MAPS:
        return map(key_value, list(value))
    raise EvaluationError(f"got '{go_type(value)}', expected iterable type")


def all_pairs(value: Value) -> Iterable[tuple[Value, Value]]:
    """Indices and elements of a list, keys and values of a map."""
    if type(value) in LISTS:
        return enumerate(value)
    if type(value) in MAPS:
        return [(key_value(key), held) for key, held in value.items()]
    raise EvaluationError(f"unsupported comprehension range type: {go_type(value)}")


def _steps(items: Items, frame: Frame) -> Iterable[None]:
    """Set the loop's variables to one element after the other."""
    first, second = items.first, items.second
    if second is None:
        for element in all_elements(items.over(frame)):
            frame[first] = element
            yield
    else:
        for key, element in all_pairs(items.over(frame)):
            frame[first] = key
            frame[second] = element
            yield


def quantified(items: Items, predicate: Closure, exists: bool) -> Closure:
    """`all` and `exists`: the deciding result wins over errors, the first error over the other result."""
    decisive: Value = exists

    def run(frame: Frame) -> bool:
        error: EvaluationError | None = None
        for _ in _steps(items, frame):
            try:
                value = predicate(frame)
            except EvaluationError as problem:
                error = error or problem
                continue
            if value is decisive:
                return exists
            if value is not (not exists):
                error = error or no_such_overload()
        if error is not None:
            raise error
        return not exists

    return run


def folded(items: Items, loop: Loop, result: Closure) -> Closure:
    """Any other loop. An error becomes the accumulator, and is raised where that is used."""
    slot, initial, condition, step = loop

    def run(frame: Frame) -> Value:
        frame[slot] = Lazy(initial)
        for _ in _steps(items, frame):
            if is_false(condition, frame):
                break
            try:
                frame[slot] = step(frame)
            except EvaluationError as error:
                frame[slot] = Failed(error)
        return settled(result(frame))

    return run

"""The closures that a compiled expression is made of, and how they treat errors.

An error is an exception; only `&&`, `||` and the loops of macros catch it, as only they may go on.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeAlias

from webhook.cel.functions.optionals import used
from webhook.cel.qualify import go_type, qualified, qualified_if_present, unwrapped
from webhook.cel.runtime_cost import check_countable
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
    key_value,
    map_key,
    no_such_key,
    no_such_overload,
)

Frame: TypeAlias = list[Value]
Closure: TypeAlias = Callable[[Frame], Value]


class Link(NamedTuple):
    """One field or index of a chain. `key` is MISSING unless it is constant."""

    key: Value
    compute: Closure
    optional: bool


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


# Fields and indices


def device_field(attribute: str, keys: Sequence[str]) -> Closure:
    """`device.attributes`, `device.attributes['domain']`, `device.attributes['domain'].name` and their kin."""
    if not keys:
        return lambda frame: getattr(frame[0], attribute)
    if len(keys) == 1:
        (domain,) = keys
        if attribute == "attributes":
            return lambda frame: frame[0].attributes[domain]
        return lambda frame: frame[0].capacity[domain]
    domain, name = keys
    if attribute == "attributes":

        def get_attribute(frame: Frame) -> Value:
            try:
                return frame[0].attributes[domain][name]
            except KeyError:
                raise no_such_key(name) from None

        return get_attribute

    def get_capacity(frame: Frame) -> Value:
        try:
            return frame[0].capacity[domain][name]
        except KeyError:
            raise no_such_key(name) from None

    return get_capacity


def chain(root: Closure, links: Sequence[Link], tested: bool) -> Closure:
    """The root with fields and indices applied to it; `tested`: whether the last one is there (`has`)."""
    if tested:
        return _tested(root, links)
    if len(links) == 1 and not links[0].optional:
        return _one_link(root, links[0])
    return lambda frame: _all_links(root(frame), links, frame)


def tested_branch(root: Closure, links: Sequence[Link]) -> Closure:
    """`has` as a side of `c ? a : b`, where the reference keeps the optional that a chain with `.?` gives."""
    *before, last = links

    def test(frame: Frame) -> Value:
        value = _all_links(root(frame), before, frame)
        optional = type(value) is Optional or last.optional
        if value is NONE:
            return NONE
        found = qualified_if_present(value.value if type(value) is Optional else value, last.compute(frame))
        if not optional:
            return found is not MISSING
        return NONE if found is MISSING else Optional(found)

    return test


def legacy_attribute(get: Closure) -> Closure:
    """A value before 1.37, where an optional one of Kubernetes' types is lost once it is an attribute."""

    def unwrap(frame: Frame) -> Value:
        value = get(frame)
        return Optional(unwrapped(value.value)) if type(value) is Optional and value is not NONE else value

    return unwrap


def _one_link(root: Closure, link: Link) -> Closure:
    compute = link.compute

    def get(frame: Frame) -> Value:
        value = root(frame)
        if type(value) is Optional:
            return _all_links(value, (link,), frame)
        return qualified(value, compute(frame))

    return get


def _all_links(value: Value, links: Sequence[Link], frame: Frame) -> Value:
    optional = type(value) is Optional
    if optional:
        if value is NONE:
            return NONE
        value = value.value
    for link in links:
        optional = optional or link.optional
        key = link.compute(frame)
        if optional:
            value = qualified_if_present(value, key)
            if value is MISSING:
                return NONE
        else:
            value = qualified(value, key)
    return Optional(value) if optional else value


def _tested(root: Closure, links: Sequence[Link]) -> Closure:
    *before, last = links

    def test(frame: Frame) -> bool:
        value = _all_links(root(frame), before, frame)
        if type(value) is Optional:
            if value is NONE:
                return False
            value = value.value
        return qualified_if_present(value, last.compute(frame)) is not MISSING

    if not before and type(last.key) is str:
        return _tested_name(root, last.key, test)
    return test


def _tested_name(root: Closure, name: str, test: Closure) -> Closure:
    def quick(frame: Frame) -> bool:
        value = root(frame)
        if type(value) is dict:
            return name in value
        return bool(test(frame))

    return quick


# Operators


def all_true(terms: Sequence[Closure]) -> Closure:
    """`&&` of any number of terms: false wins over errors, the first error over truth."""

    def run(frame: Frame) -> bool:
        error: EvaluationError | None = None
        for term in terms:
            try:
                value = term(frame)
            except EvaluationError as problem:
                error = error or problem
                continue
            if value is True:
                continue
            if value is False:
                return False
            error = error or no_such_overload()
        if error is not None:
            raise error
        return True

    return run


def any_true(terms: Sequence[Closure]) -> Closure:
    """`||` of any number of terms: truth wins over errors."""

    def run(frame: Frame) -> bool:
        error: EvaluationError | None = None
        for term in terms:
            try:
                value = term(frame)
            except EvaluationError as problem:
                error = error or problem
                continue
            if value is False:
                continue
            if value is True:
                return True
            error = error or no_such_overload()
        if error is not None:
            raise error
        return False

    return run


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

    def compare(frame: Frame) -> bool:
        value = left(frame)
        return bool(value == constant) if type(value) is kind else equal(value, constant)

    return compare


def not_equals(left: Closure, right: Closure) -> Closure:
    """`!=`: values that cannot be compared differ."""

    def compare(frame: Frame) -> bool:
        mine, other = _both(left, right, frame)
        try:
            return not equal(mine, other)
        except EvaluationError:
            return True

    return compare


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


def ordering_with(test: Callable[[int, int], bool], run: Callable[..., Value], left: Closure, constant: int) -> Closure:
    """`x >= 5` and the like."""

    def compare(frame: Frame) -> Value:
        value = left(frame)
        return test(value, constant) if type(value) is int else run(value, constant)

    return compare


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

    Before 1.37, what is no optional was its own alternative.
    """

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


# Macros


def bound(slot: int, initial: Closure, body: Closure) -> Closure:
    """`cel.bind(name, value, body)`."""

    def run(frame: Frame) -> Value:
        frame[slot] = Lazy(initial)
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
            if _is_false(condition, frame):
                break
            try:
                frame[slot] = step(frame)
            except EvaluationError as error:
                frame[slot] = Failed(error)
        return settled(result(frame))

    return run


def _is_false(condition: Closure, frame: Frame) -> bool:
    try:
        value = condition(frame)
    except EvaluationError:
        return False
    return value is False

"""The steps of an evaluation that counts its cost, as the scheduler's own evaluation takes them.

Here an error is a value, because the reference goes on after one, and what it evaluates then costs too: a
function's second argument is evaluated although the first one failed. Source: cel-go
interpreter/interpretable.go, attributes.go, runtimecost.go.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from webhook.cel.closures import growing, settled
from webhook.cel.loops import all_elements, all_pairs
from webhook.cel.qualify import qualified, qualified_if_present, unwrapped
from webhook.cel.runtime_cost import QUADRATIC, CostTracker, call_cost
from webhook.cel.values import (
    MISSING,
    NONE,
    EvaluationError,
    MapKey,
    Optional,
    Value,
    no_such_overload,
)


class Frame:
    """The variables in scope; the outermost frame has those that are declared."""

    __slots__ = ("declared", "tracker")

    def __init__(self, declared: Mapping[MapKey, Value], tracker: CostTracker) -> None:
        self.declared = declared
        self.tracker = tracker

    def resolve(self, name: str) -> Value:
        return self.declared[name.removeprefix(".")]

    def outermost(self) -> "Frame":
        return self

    def unwatched(self) -> "Frame":
        """The same, where nothing costs."""
        return Frame(self.declared, CostTracker(self.tracker.limit, modern=self.tracker.modern))


class LoopFrame(Frame):
    """The variables of a macro, which hide those outside. The accumulator begins when it is first used."""

    __slots__ = ("accumulated", "at_result", "begun", "first", "loop", "parent", "second")

    def __init__(self, loop: "Fold", parent: Frame) -> None:
        super().__init__(parent.declared, parent.tracker)
        self.loop = loop
        self.parent = parent
        self.accumulated: Value = None
        self.first: Value = None
        self.second: Value = None
        self.begun = self.at_result = False

    def resolve(self, name: str) -> Value:
        loop = self.loop
        if name == loop.accumulator:
            if not self.begun:
                self.begun = True
                self.accumulated = growing(loop.initial.run(self.parent))
            return self.accumulated
        if not self.at_result:
            if name == loop.first:
                return self.first
            if name == loop.second:
                return self.second
        return self.parent.resolve(name)

    def outermost(self) -> Frame:
        return self.parent.outermost()


class Step(Protocol):
    """One step of the evaluation; a result may be an EvaluationError."""

    @property
    def id(self) -> int: ...

    def run(self, frame: Frame) -> Value: ...


@dataclass(slots=True)
class Constant:
    """A literal, or what is folded into one before evaluation begins."""

    id: int
    value: Value

    def run(self, frame: Frame) -> Value:
        frame.tracker.push(self.id, self.value)
        return self.value


# Fields and indices


@dataclass(slots=True)
class Qualifier:
    """One field or index of an attribute. `key` computes it; `drops`: by a step that is none of an attribute."""

    id: int
    key: Callable[[Frame], Value]
    optional: bool
    tested: bool = False
    drops: bool = False

    def apply(self, frame: Frame, value: Value) -> Value:
        """The element, which must be there; of a tested field, whether it is."""
        if self.tested:
            return self._observed(frame, lambda key: qualified_if_present(value, key) is not MISSING)
        return self._observed(frame, lambda key: qualified(value, key))

    def apply_if_present(self, frame: Frame, value: Value) -> Value:
        """The element, or MISSING."""
        found = qualified_if_present(value, self.key(frame))
        if found is not MISSING:
            self._charge(frame.tracker)
            frame.tracker.push(self.id, found)
        return found

    def _observed(self, frame: Frame, get: Callable[[Value], Value]) -> Value:
        tracker = frame.tracker
        try:
            found = get(self.key(frame))
        except EvaluationError as error:
            self._charge(tracker)
            tracker.push(self.id, error)
            raise
        self._charge(tracker)
        tracker.push(self.id, found)
        return found

    def _charge(self, tracker: CostTracker) -> None:
        if self.drops:
            tracker.drop(self.id)
        tracker.cost += 1


class Attribute:
    """A variable, or the result of another step, with fields and indices applied to it."""

    __slots__ = ("_id", "operand", "qualifiers", "variable")

    def __init__(self, id_: int, variable: str = "", operand: Step | None = None) -> None:
        self._id = id_
        self.variable = variable
        self.operand = operand
        self.qualifiers: list[Qualifier] = []

    @property
    def id(self) -> int:
        return self.qualifiers[-1].id if self.qualifiers else self._id

    def add(self, qualifier: Qualifier) -> None:
        self.qualifiers.append(qualifier)

    def resolve(self, frame: Frame) -> Value:
        """The value; raises EvaluationError."""
        if self.operand is not None:
            value = self.operand.run(frame)
        elif self.variable.startswith("."):  # what is behind the variables of macros is reached without being watched
            frame = frame.outermost().unwatched()
            value = frame.resolve(self.variable)
        else:
            value = frame.resolve(self.variable)
        if isinstance(value, EvaluationError):
            raise value
        return self._qualified(frame, value)

    def _qualified(self, frame: Frame, value: Value) -> Value:
        optional = type(value) is Optional
        if optional:
            if value is NONE:
                return NONE
            value = value.value if frame.tracker.modern else unwrapped(value.value)
        for qualifier in self.qualifiers:
            optional = optional or qualifier.optional
            if optional:
                value = qualifier.apply_if_present(frame, value)
                if value is MISSING:
                    return NONE
            else:
                value = qualifier.apply(frame, value)
        return Optional(value) if optional else value


class ConditionalAttribute:
    """`c ? a : b`; a field of it is a field of both sides."""

    __slots__ = ("_id", "condition", "no", "yes")

    def __init__(self, id_: int, condition: Step, yes: "AnyAttribute", no: "AnyAttribute") -> None:
        self._id = id_
        self.condition = condition
        self.yes = yes
        self.no = no

    @property
    def id(self) -> int:
        return self.yes.id if self.yes.id == self.no.id else self._id

    def add(self, qualifier: Qualifier) -> None:
        self.yes.add(qualifier)
        self.no.add(qualifier)

    def resolve(self, frame: Frame) -> Value:
        """The value; raises EvaluationError."""
        chosen = self.condition.run(frame)
        if chosen is True:
            return self.yes.resolve(frame)
        if chosen is False:
            return self.no.resolve(frame)
        raise chosen if isinstance(chosen, EvaluationError) else no_such_overload()


AnyAttribute: TypeAlias = Attribute | ConditionalAttribute


class Attributed:
    """The step that resolves an attribute. `tested_id` is set for `has`."""

    __slots__ = ("attribute", "optional", "tested_id")

    def __init__(self, attribute: AnyAttribute) -> None:
        self.attribute = attribute
        self.tested_id: int | None = None

    @property
    def id(self) -> int:
        return self.attribute.id if self.tested_id is None else self.tested_id

    def run(self, frame: Frame) -> Value:
        attribute = self.attribute
        value: Value
        try:
            value = attribute.resolve(frame)
            if self.tested_id is not None and type(value) is Optional:
                value = value is not NONE
        except EvaluationError as error:
            value = error
        tracker = frame.tracker
        if isinstance(attribute, ConditionalAttribute):
            tracker.drop(attribute.no.id, attribute.yes.id, attribute.condition.id)
        else:
            tracker.drop(attribute.id)
            tracker.cost += 1
        if self.tested_id is not None:
            tracker.cost = (
                tracker.cost - 1
            ) % 2**64  # wraps around for `has((<error> ? a : b).c)`, in the reference too
        tracker.push(self.id, value)
        return value


# Operators and functions


@dataclass(slots=True)
class Logical:
    """`&&` and `||`: `decisive` is the value that ends the evaluation."""

    id: int
    terms: Sequence[Step]
    decisive: bool

    def run(self, frame: Frame) -> Value:
        value = self._decide(frame)
        frame.tracker.drop(*[term.id for term in self.terms])
        frame.tracker.push(self.id, value)
        return value

    def _decide(self, frame: Frame) -> Value:
        error: EvaluationError | None = None
        for term in self.terms:
            value = term.run(frame)
            if value is self.decisive:
                return value
            if type(value) is not bool and error is None:
                error = value if isinstance(value, EvaluationError) else no_such_overload()
        return error if error is not None else not self.decisive


@dataclass(slots=True)
class Called:
    """A function or an operator. `keen`: stops at the first argument that is an error."""

    id: int
    function: str
    overload: str
    args: Sequence[Step]
    call: Callable[..., Value]
    keen: bool = False

    def run(self, frame: Frame) -> Value:
        value = self._result(frame)
        tracker = frame.tracker
        taken = tracker.take([arg.id for arg in self.args])
        if taken is not None:
            cost = call_cost(self.function, self.overload, taken, value, tracker.modern)
            tracker.cost = (tracker.cost + cost) % 2**64
        tracker.push(self.id, value)
        return value

    def _result(self, frame: Frame) -> Value:
        values: list[Value] = []
        for arg in self.args:
            value = arg.run(frame)
            if self.keen and isinstance(value, EvaluationError):
                return value
            values.append(value)
        if self.function != "@not_strictly_false":
            for value in values:
                if isinstance(value, EvaluationError):
                    return value
        tracker = frame.tracker
        if self.overload in QUADRATIC:
            tracker.check_ahead(call_cost(self.function, self.overload, values, None, tracker.modern))
        try:
            return self.call(*values)
        except EvaluationError as error:
            return error


@dataclass(slots=True)
class Observed:
    """A step that costs nothing of its own: its value is what `get` gives."""

    id: int
    get: Callable[[Frame], Value]

    def run(self, frame: Frame) -> Value:
        value = self.get(frame)
        frame.tracker.push(self.id, value)
        return value


@dataclass(slots=True)
class Constructed:
    """A list, map or message."""

    id: int
    parts: Sequence[Step]
    cost: int
    make: Callable[[Frame], Value]

    def run(self, frame: Frame) -> Value:
        try:
            value = self.make(frame)
        except EvaluationError as error:
            value = error
        frame.tracker.take([part.id for part in self.parts])
        frame.tracker.cost += self.cost
        frame.tracker.push(self.id, value)
        return value


@dataclass(slots=True)
class Fold:
    """The loop of a macro."""

    id: int
    over: Step
    first: str
    second: str | None
    accumulator: str
    initial: Step
    condition: Step
    step: Step
    result: Step

    def run(self, frame: Frame) -> Value:
        value = self._result(frame)
        frame.tracker.drop(self.over.id)
        frame.tracker.push(self.id, value)
        return value

    def _result(self, frame: Frame) -> Value:
        inner = LoopFrame(self, frame)
        items = self.over.run(frame)
        if isinstance(items, EvaluationError):
            return items
        try:
            if self.second is not None:
                self._over_pairs(inner, items)
            else:
                self._over_elements(inner, items)
        except EvaluationError as error:
            return error
        inner.at_result = True
        return settled(self.result.run(inner))

    def _over_pairs(self, inner: LoopFrame, items: Value) -> None:
        for key, value in all_pairs(items):
            inner.first, inner.second = key, value
            if not self._went_on(inner):
                return

    def _over_elements(self, inner: LoopFrame, items: Value) -> None:
        for element in all_elements(items):
            inner.first = element
            if not self._went_on(inner):
                return

    def _went_on(self, inner: LoopFrame) -> bool:
        if self.condition.run(inner) is False:
            return False
        inner.accumulated = self.step.run(inner)
        inner.begun = True
        return True

"""Evaluation that counts its cost, step by step as the scheduler's own evaluation does.

Slower than the closures of `webhook.cel.evaluator`, to which it must give the same results. Here an error is
a value, because the reference goes on after one, and what it evaluates then costs too: a function's second
argument is evaluated although the first one failed. Source: cel-go interpreter/planner.go (which step a node
becomes, and what is folded beforehand), interpretable.go, attributes.go, runtimecost.go.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from webhook.cel.closures import all_elements, all_pairs, growing, settled
from webhook.cel.device import CelDevice, device_map
from webhook.cel.functions.membership import member_set
from webhook.cel.functions.quantity_state import with_own_quantities
from webhook.cel.functions.regex import CONSTANT_PATTERNS
from webhook.cel.functions.table import CONVERSIONS, Edition, edition_for, implementation, is_keen
from webhook.cel.qualify import checked_key, optional_entry, qualified, qualified_if_present, unwrapped
from webhook.cel.runtime_cost import LIST_COST, MAP_COST, QUADRATIC, STRUCT_COST, CostTracker, call_cost
from webhook.cel.structs import make_struct
from webhook.cel.syntax import (
    AND,
    CONDITIONAL,
    EQUALS,
    INDEX,
    NOT_EQUALS,
    OPTIONAL_INDEX,
    OPTIONAL_SELECT,
    OR,
    Ast,
    Call,
    Comprehension,
    Expr,
    Ident,
    ListLiteral,
    Literal,
    MapLiteral,
    Select,
    StructLiteral,
)
from webhook.cel.types import Kind
from webhook.cel.values import (
    MISSING,
    NONE,
    AbandonedError,
    EvaluationError,
    MapKey,
    Optional,
    TypeValue,
    Value,
    equal,
    go_text,
    map_key,
    no_such_overload,
)

_MODERN: Final = (1, 37)


def is_modern(version: str) -> bool:
    """Whether that Kubernetes minor, such as "1.36", has the evaluator of 1.37."""
    major, _, minor = version.partition(".")
    return (int(major), int(minor)) >= _MODERN


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result, or the error's text, and the cost."""

    result: Value
    error: str | None
    cost: int


class Frame:
    """The variables in scope; the outermost frame has the device."""

    __slots__ = ("device", "tracker")

    def __init__(self, device: Value, tracker: CostTracker) -> None:
        self.device = device
        self.tracker = tracker

    def resolve(self, _: str) -> Value:
        return self.device

    def outermost(self) -> "Frame":
        return self


class LoopFrame(Frame):
    """The variables of a macro, which hide those outside. The accumulator begins when it is first used."""

    __slots__ = ("accumulated", "at_result", "begun", "first", "loop", "parent", "second")

    def __init__(self, loop: "Fold", parent: Frame) -> None:
        super().__init__(parent.device, parent.tracker)
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
        elif self.variable.startswith("."):
            value = frame.outermost().resolve(self.variable)
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


class _Planner:
    """Turns the nodes of the tree into steps, folding what is constant."""

    def __init__(self, edition: Edition) -> None:
        self._edition = edition

    def plan(self, node: Expr) -> Step:
        """The step of any node."""
        if isinstance(node, Literal):
            return Constant(node.id, node.value)
        if isinstance(node, Ident):
            return self._ident(node)
        if isinstance(node, Select):
            return self._select(node)
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, ListLiteral):
            return self._list(node)
        if isinstance(node, MapLiteral):
            return self._map(node)
        if isinstance(node, StructLiteral):
            return self._struct(node)
        return self._fold(node)

    def _ident(self, node: Ident) -> Step:
        name = node.reference or node.name
        if node.type.kind == Kind.TYPE:
            return Constant(node.id, TypeValue(name))
        return Attributed(Attribute(node.id, variable=node.name))

    def _select(self, node: Select) -> Step:
        if node.reference:
            return Constant(node.id, TypeValue(node.reference))
        attributed = _as_attribute(self.plan(node.operand))
        field = node.field
        qualifier = Qualifier(node.id, lambda _: field, optional=False, tested=node.test_only)
        if node.test_only:
            tested = Attributed(attributed.attribute)
            tested.tested_id = node.id
            attributed = tested
        attributed.attribute.add(qualifier)
        return attributed

    def _call(self, node: Call) -> Step:
        args = [self.plan(arg) for arg in (node.args if node.target is None else (node.target, *node.args))]
        function = node.function
        if function in (AND, OR):
            return Logical(node.id, args, decisive=function == OR)
        if function == CONDITIONAL:
            condition, yes, no = args
            return Attributed(ConditionalAttribute(node.id, condition, _branch(yes), _branch(no)))
        if function == EQUALS:
            return Called(node.id, function, "equals", args, equal)
        if function == NOT_EQUALS:
            return Called(node.id, function, "not_equals", args, _differ)
        if function in (INDEX, OPTIONAL_INDEX, OPTIONAL_SELECT):
            return _indexed(node, args)
        return self._function(node, args)

    def _function(self, node: Call, args: list[Step]) -> Step:
        function = node.function
        overload = node.overloads[0] if len(node.overloads) == 1 else ""
        if function in ("or", "orValue") and len(args) == 2:
            return _optional_or(node.id, args, function == "orValue", self._edition.modern)
        if overload == "in_list" and isinstance(args[1], Constant):
            folded = _membership(node.id, args[0], args[1].value)
            if folded is not None:
                return folded
        call = implementation(function, node.overloads, self._edition)
        if function in CONVERSIONS and len(args) == 1 and isinstance(args[0], Constant):
            return _folded(node.id, call, args[0].value)
        keen = is_keen(function, overload, len(args))
        if function in CONSTANT_PATTERNS and isinstance(args[1], Constant) and type(args[1].value) is str:
            call, keen = CONSTANT_PATTERNS[function], True
        return Called(node.id, function, overload, args, call, keen)

    def _list(self, node: ListLiteral) -> Step:
        parts = [self.plan(element) for element in node.elements]
        marked = frozenset(node.optional)

        def make(frame: Frame) -> Value:
            made = []
            for index, part in enumerate(parts):
                value = _raised(part.run(frame))
                if index in marked:
                    value = optional_element(value)
                    if value is MISSING:
                        continue
                made.append(value)
            return made

        return _constructed(node.id, parts, LIST_COST, make)

    def _map(self, node: MapLiteral) -> Step:
        entries = [(self.plan(entry.key), self.plan(entry.value), entry.optional) for entry in node.entries]

        def make(frame: Frame) -> Value:
            made: dict[MapKey, Value] = {}
            for key_step, value_step, optional in entries:
                key = _raised(key_step.run(frame))
                value = _raised(value_step.run(frame))
                if optional:
                    value = optional_entry(key, value)
                    if value is MISSING:
                        made.pop(map_key(key), None)
                        continue
                made[map_key(key)] = value
            return made

        return _constructed(node.id, [part for entry in entries for part in entry[:2]], MAP_COST, make)

    def _struct(self, node: StructLiteral) -> Step:
        name = node.name.removeprefix(".")
        entries = [(entry.field, self.plan(entry.value), entry.optional) for entry in node.entries]

        def make(frame: Frame) -> Value:
            fields: dict[str, Value] = {}
            for field, value_step, optional in entries:
                value = _raised(value_step.run(frame))
                if optional:
                    value = optional_entry(field, value)
                    if value is MISSING:
                        fields.pop(field, None)
                        continue
                fields[field] = value
            return make_struct(name, fields)

        return Constructed(node.id, [entry[1] for entry in entries], STRUCT_COST, make)

    def _fold(self, node: Comprehension) -> Step:
        return Fold(
            id=node.id,
            over=self.plan(node.iter_range),
            first=node.iter_var,
            second=node.iter_var2,
            accumulator=node.accumulator,
            initial=self.plan(node.accumulator_init),
            condition=self.plan(node.condition),
            step=self.plan(node.step),
            result=self.plan(node.result),
        )


def optional_element(value: Value) -> Value:
    """What an element `?x` of a list holds, or MISSING."""
    if type(value) is not Optional:
        raise EvaluationError(f"cannot initialize optional list element from non-optional value {go_text(value)}")
    return MISSING if value is NONE else value.value


def _raised(value: Value) -> Value:
    if isinstance(value, EvaluationError):
        raise value
    return value


def _differ(left: Value, right: Value) -> bool:
    try:
        return not equal(left, right)
    except EvaluationError:
        return True


def _as_attribute(step: Step) -> Attributed:
    return step if isinstance(step, Attributed) else Attributed(Attribute(step.id, operand=step))


def _branch(step: Step) -> AnyAttribute:
    return step.attribute if isinstance(step, Attributed) else Attribute(step.id, operand=step)


def _indexed(node: Call, args: list[Step]) -> Step:
    """An index extends the attribute that its operand is."""
    attributed = _as_attribute(args[0])
    index = args[1]
    optional = node.function != INDEX
    if isinstance(index, Constant):
        value = index.value
        qualifier = Qualifier(node.id, lambda _: value, optional)
    elif isinstance(index, Attributed):
        attribute = index.attribute
        qualifier = Qualifier(node.id, lambda frame: checked_key(attribute.resolve(frame)), optional)
    else:
        relative = Attribute(node.id, operand=index)
        qualifier = Qualifier(node.id, lambda frame: checked_key(relative.resolve(frame)), optional, drops=True)
    attributed.attribute.add(qualifier)
    return attributed


def _optional_or(id_: int, args: list[Step], unwrap: bool, modern: bool) -> Step:
    left, right = args

    def get(frame: Frame) -> Value:
        value = left.run(frame)
        if isinstance(value, EvaluationError):
            return value
        if type(value) is not Optional:
            return no_such_overload() if modern else value
        if value is NONE:
            return right.run(frame)
        return value.value if unwrap else value

    return Observed(id_, get)


def _membership(id_: int, element: Step, values: list[Value]) -> Step | None:
    """`x in [constants]`, which the reference looks up in a set."""
    if not values:
        return Constant(id_, False)
    members = member_set(values)
    if members is None:
        return None

    def get(frame: Frame) -> Value:
        value = element.run(frame)
        return value if isinstance(value, EvaluationError) else map_key(value) in members

    return Observed(id_, get)


def _folded(id_: int, call: Callable[..., Value], value: Value) -> Step:
    try:
        return Constant(id_, call(value))
    except EvaluationError as error:  # the compiler refuses such an expression
        return Constant(id_, error)


def _constructed(id_: int, parts: Sequence[Step], cost: int, make: Callable[[Frame], Value]) -> Step:
    if all(isinstance(part, Constant) for part in parts):
        try:
            return Constant(id_, make(Frame(None, CostTracker(0, modern=True))))
        except (EvaluationError, AbandonedError):
            pass
    return Constructed(id_, parts, cost, make)


def counted(ast: Ast, device: CelDevice, cost_limit: int, version: str) -> Outcome:
    """The value or error of the expression on the device, and what it cost."""
    modern = is_modern(version)
    tracker = CostTracker(cost_limit, modern)
    edition = edition_for(ast, modern)
    if edition.quantities_change:
        device = with_own_quantities(device)
    value: Value
    try:
        value = _Planner(edition).plan(ast.root).run(Frame(device_map(device), tracker))
    except AbandonedError as abandoned:
        return Outcome(None, str(abandoned), tracker.cost)
    if isinstance(value, EvaluationError):
        return Outcome(None, str(value), tracker.cost)
    return Outcome(value, None, tracker.cost)

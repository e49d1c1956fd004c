"""Evaluation that counts its cost, step by step as the scheduler's own evaluation does.

Slower than the closures of `webhook.cel.evaluator`, to which it must give the same results. Source: cel-go
interpreter/planner.go: which step a node becomes, and what is folded beforehand.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from webhook.cel.device import CelDevice, device_map
from webhook.cel.functions.membership import member_set
from webhook.cel.functions.quantity_state import with_own_quantities
from webhook.cel.functions.regex import CONSTANT_PATTERNS
from webhook.cel.functions.table import CONVERSIONS, MODERN, Edition, edition_for, implementation, is_keen
from webhook.cel.qualify import (
    checked_key,
    optional_element,
    optional_entry,
)
from webhook.cel.runtime_cost import LIST_COST, MAP_COST, STRUCT_COST, CostTracker
from webhook.cel.steps import (
    AnyAttribute,
    Attribute,
    Attributed,
    Called,
    ConditionalAttribute,
    Constant,
    Constructed,
    Fold,
    Frame,
    Logical,
    Observed,
    Qualifier,
    Step,
)
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
    map_key,
    named_value,
    no_such_overload,
)

_MODERN: Final = (1, 37)
_STEPS_BETWEEN_LOOKS: Final = 500
TIME_OVER: Final = "operation cancelled: the time is over"
Observe: TypeAlias = Callable[[int, Value], None]


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
            return Constant(node.id, named_value(node.reference))
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
            return Constant(id_, make(Frame({}, CostTracker(0, modern=True))))
        except (EvaluationError, AbandonedError):
            pass
    return Constructed(id_, parts, cost, make)


def counted(
    ast: Ast, device: CelDevice, cost_limit: int, version: str, expired: Callable[[], bool] | None = None
) -> Outcome:
    """The value or error of the expression on the device, and what it cost; the run ends where `expired` tells so."""
    modern = is_modern(version)
    edition = edition_for(ast, modern)
    if edition.quantities_change:
        device = with_own_quantities(device)
    tracker = CostTracker(cost_limit, modern) if expired is None else _Watched(cost_limit, expired, None, modern=modern)
    return _run(ast, {"device": device_map(device)}, tracker, edition)


def counted_with(
    ast: Ast,
    variables: Mapping[MapKey, Value],
    cost_limit: int,
    expired: Callable[[], bool],
    observe: Observe | None = None,
) -> Outcome:
    """The value or error of the expression on variables of any environment, and what it cost, as from 1.37 on.

    The run ends where `expired` tells that the time is over. `observe` is told the value or error of each node by its
    id, whenever it is evaluated.
    """
    return _run(ast, variables, _Watched(cost_limit, expired, observe), MODERN)


class _Watched(CostTracker):
    """A tracker that looks at the clock now and then, and tells each value."""

    def __init__(
        self, limit: int, expired: Callable[[], bool], observe: Observe | None, *, modern: bool = True
    ) -> None:
        super().__init__(limit, modern)
        self._expired = expired
        self._observe = observe
        self._steps = 0

    def push(self, id_: int, value: Value) -> None:
        self._steps += 1
        if self._steps % _STEPS_BETWEEN_LOOKS == 0 and self._expired():
            raise AbandonedError(TIME_OVER)
        if self._observe is not None:
            self._observe(id_, value)
        super().push(id_, value)


def _run(ast: Ast, variables: Mapping[MapKey, Value], tracker: CostTracker, edition: Edition) -> Outcome:
    value: Value
    try:
        value = _Planner(edition).plan(ast.root).run(Frame(variables, tracker))
    except AbandonedError as abandoned:
        return Outcome(None, str(abandoned), tracker.cost)
    if isinstance(value, EvaluationError):
        return Outcome(None, str(value), tracker.cost)
    return Outcome(value, None, tracker.cost)

"""Evaluation: `build` turns a checked tree into closures, quick enough for every device of a cluster.

`evaluate` gives the cost as well; it runs the slower twin in `webhook.cel.counting`, which counts as the
scheduler does. Tests hold both to the same results.

A closure takes the frame: a list with the device first, then a slot for each variable of a macro. The
accumulator of a macro is evaluated when it is first used, so `cel.bind(x, <error>, true)` is true, and may
hold an error, which only using it raises. Source for what happens when: cel-go interpreter/interpretable.go.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from webhook.cel import chains, closures, device_closures, loops
from webhook.cel.chains import Link
from webhook.cel.closures import Closure, Frame
from webhook.cel.counting import TIME_OVER, Outcome, counted, is_modern
from webhook.cel.depth import allow_depth, has_depth
from webhook.cel.device import DEVICE_FIELDS, CelDevice, check_device, device_map
from webhook.cel.device_closures import Entry
from webhook.cel.functions.membership import member_set
from webhook.cel.functions.quantity_state import with_own_quantities
from webhook.cel.functions.regex import CONSTANT_PATTERNS
from webhook.cel.functions.table import CONVERSIONS, MODERN, Edition, edition_for, guarded, implementation, is_keen
from webhook.cel.native import native_problem
from webhook.cel.qualify import checked_key, optional_element, optional_entry
from webhook.cel.runtime_cost import COUNTED_ARGUMENTS
from webhook.cel.shapes import (
    DEVICE,
    ENTRY_MAPS,
    Scope,
    cannot_fail,
    entry_of,
    is_device,
    is_exists,
    is_test,
    link_of,
    predicate_of,
    terms_of,
)
from webhook.cel.structs import make_struct
from webhook.cel.syntax import (
    AND,
    CONDITIONAL,
    EQUALS,
    GREATER,
    GREATER_EQUALS,
    INDEX,
    LESS,
    LESS_EQUALS,
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
    walk,
)
from webhook.cel.types import Kind
from webhook.cel.values import (
    MISSING,
    NONE,
    AbandonedError,
    EvaluationError,
    MapKey,
    Optional,
    Value,
    map_key,
    named_value,
    type_name,
)

__all__ = [
    "BoundedProgram",
    "EvaluationError",
    "Outcome",
    "Program",
    "build",
    "build_value",
    "constant_value",
    "evaluate",
]

_ORDERINGS: Final = {LESS: operator.lt, LESS_EQUALS: operator.le, GREATER: operator.gt, GREATER_EQUALS: operator.ge}
MOST_COST: Final = 1_000_000
_MANY_NODES: Final = 150
_PURE: Final = CONVERSIONS | {"quantity", "semver", "ip", "cidr", "url"}


class Program:
    """An expression ready to run on devices: each run is a few hundred nanoseconds, and has no limit.

    `matches` tells whether the selector accepts a device; EvaluationError with the reference's text if it ends in one.
    """

    __slots__ = ("matches",)

    matches: Callable[[CelDevice], bool]

    def __init__(self, run: Closure, slots: int, own_quantities: bool) -> None:
        variables = [None] * slots

        def matches(device: CelDevice) -> bool:
            if device.problem is not None:
                check_device(device)
            try:
                result = run([device, *variables] if slots else [device])
            except AbandonedError as abandoned:
                raise EvaluationError(str(abandoned)) from None
            return result if result is True or result is False else as_bool(result)

        self.matches = (lambda device: matches(with_own_quantities(device))) if own_quantities else matches


def as_bool(result: Value) -> bool:
    """The result of a selector; whatever is no bool is an error, in the words of Go's conversions."""
    if type(result) is bool:
        return result
    if type(result) is Optional and result is not NONE and type(result.value) is bool:
        return result.value
    raise EvaluationError(
        f"CEL result of type {type_name(result)} could not be converted to bool: {native_problem(result, 'bool')}"
    )


class OutOfTimeError(Exception):
    """The time was over before there was a result."""


class BoundedProgram:
    """An expression whose run ends at the cost limit, as the scheduler's does; some twenty times as slow."""

    __slots__ = ("_ast", "_version")

    def __init__(self, ast: Ast, version: str) -> None:
        self._ast = ast
        self._version = version

    def matches(self, device: CelDevice, expired: Callable[[], bool] | None = None) -> bool:
        """As Program.matches; OutOfTimeError where `expired` tells during the run that the time is over."""
        outcome = evaluate(self._ast, device, version=self._version, expired=expired)
        if outcome.error == TIME_OVER:
            raise OutOfTimeError
        if outcome.error is not None:
            raise EvaluationError(outcome.error)
        return outcome.result is True


def build(ast: Ast, version: str = "1.37", bounded: bool = False) -> Program | BoundedProgram:
    """The program of a checked expression, to run as that Kubernetes version runs it.

    `bounded` must be true for an expression whose estimated cost is over the limit: it may run for ever.
    """
    if bounded:
        return BoundedProgram(ast, version)
    _allow_deep_trees(ast)
    edition = edition_for(ast, is_modern(version))
    builder = _Builder(edition)
    return Program(builder.expr(ast.root, {}), builder.slots, edition.quantities_change)


def build_value(ast: Ast) -> Callable[[Mapping[MapKey, Value]], Value]:
    """The value of a checked expression of any environment, given its variables, as from 1.37 on; without a limit.

    It raises EvaluationError where there is none.
    """
    _allow_deep_trees(ast)
    builder = _Builder(MODERN)
    run = builder.expr(ast.root, {})
    slots = [None] * builder.slots

    def value(variables: Mapping[MapKey, Value]) -> Value:
        try:
            return run([variables, *slots])
        except AbandonedError as abandoned:
            raise EvaluationError(str(abandoned)) from None

    return value


def evaluate(
    ast: Ast,
    device: CelDevice,
    cost_limit: int = MOST_COST,
    version: str = "1.37",
    expired: Callable[[], bool] | None = None,
) -> Outcome:
    """The result or error on the device, and what it cost in that version; TIME_OVER once `expired` says so."""
    _allow_deep_trees(ast)
    if device.problem is not None:
        return Outcome(None, device.problem, 0)
    outcome = counted(ast, device, cost_limit, version, expired)
    if outcome.error is not None:
        return outcome
    try:
        return Outcome(as_bool(outcome.result), None, outcome.cost)
    except EvaluationError as error:
        return Outcome(None, str(error), outcome.cost)


def _allow_deep_trees(ast: Ast) -> None:
    """Make room for the deepest tree that the parser accepts, some 1,000 levels; frames live on the heap."""
    if not has_depth() and sum(1 for _ in walk(ast.root)) > _MANY_NODES:
        allow_depth()


class _Builder:
    """Makes the closures of one expression and hands out the slots of its frame."""

    def __init__(self, edition: Edition) -> None:
        self.slots = 0
        self._settled: set[int] = set()  # the slots of variables that need not wait for their use
        self._edition = edition
        self._modern = edition.modern
        self._pure = CONVERSIONS if edition.quantities_change else _PURE

    def expr(self, node: Expr, scope: Scope) -> Closure:
        """The closure of any node."""
        constant = _constant(node, self._pure)
        if constant is not MISSING:
            return lambda _: constant
        if isinstance(node, Call):
            return self._call(node, scope)
        if isinstance(node, Select):
            return self._named(node.reference) if node.reference else self._chain(node, scope)
        if isinstance(node, Ident):
            return self._ident(node, scope)
        if isinstance(node, Comprehension):
            return self._comprehension(node, scope)
        if isinstance(node, ListLiteral):
            return self._list(node, scope)
        if isinstance(node, MapLiteral):
            return self._map(node, scope)
        assert isinstance(node, StructLiteral)
        return self._struct(node, scope)

    def _slot(self) -> int:
        self.slots += 1
        return self.slots

    # Names

    def _ident(self, node: Ident, scope: Scope) -> Closure:
        slot = None if node.name.startswith(".") else scope.get(node.name)
        if slot is not None:
            variable = closures.settled_variable(slot) if slot in self._settled else closures.variable(slot)
            return self._unwrapping(variable)
        if node.type.kind == Kind.TYPE and node.reference != DEVICE:
            return self._named(node.reference or node.name)
        if node.reference != DEVICE:
            name = node.name.removeprefix(".")
            return lambda frame: frame[0][name]
        return lambda frame: device_map(frame[0])

    def _unwrapping(self, root: Closure) -> Closure:
        """What the reference calls an attribute: a variable, the root of a chain, a side of `c ? a : b`."""
        return root if self._modern else chains.legacy_attribute(root)

    def _named(self, name: str) -> Closure:
        value = named_value(name)
        return lambda _: value

    # Fields and indices

    def _chain(self, node: Expr, scope: Scope) -> Closure:
        """A chain of fields and indices, taken as a whole because `.?` makes all that follows optional."""
        tested = isinstance(node, Select) and node.test_only
        entry = entry_of(node, scope)
        if entry is not None:
            return device_closures.is_there(entry) if tested else device_closures.value(entry)
        root, links = self._links(node, scope)
        if is_device(root, scope):
            return _device_chain(links, tested)
        return chains.chain(self._unwrapping(self.expr(root, scope)), links, tested)

    def _links(self, node: Expr, scope: Scope) -> tuple[Expr, list[Link]]:
        """What a chain begins with, and its fields and indices."""
        links: list[Link] = []
        root = node
        while (parts := link_of(root)) is not None:
            root, key, optional = parts
            links.append(self._link(key, optional, scope))
        links.reverse()
        return root, links

    def _link(self, key: Expr | str, optional: bool, scope: Scope) -> Link:
        constant = key if isinstance(key, str) else _constant(key)
        if constant is not MISSING:
            return Link(constant, lambda _: constant, optional)
        assert not isinstance(key, str)
        computed = self.expr(key, scope)
        return Link(MISSING, lambda frame: checked_key(computed(frame)), optional)

    # Operators and functions

    def _call(self, node: Call, scope: Scope) -> Closure:
        function = node.function
        if function in (AND, OR):
            return self._logical(node, scope)
        if function == CONDITIONAL:
            return self._conditional(node, scope)
        if function in (EQUALS, NOT_EQUALS):
            return self._equality(node, scope)
        if function in (INDEX, OPTIONAL_INDEX, OPTIONAL_SELECT):
            return self._chain(node, scope)
        arguments = node.args if node.target is None else (node.target, *node.args)
        overload = node.overloads[0] if len(node.overloads) == 1 else ""
        if overload == "in_list":
            folded = self._membership(arguments[0], _constant(arguments[1]), scope)
            if folded is not None:
                return folded
        if function in ("or", "orValue") and len(arguments) == 2:
            return self._alternative(arguments, function == "orValue", scope)
        args = [self.expr(argument, scope) for argument in arguments]
        position = COUNTED_ARGUMENTS.get(overload)
        if position is not None:
            args[position] = closures.countable(args[position], overload, position)
        if function in CONSTANT_PATTERNS and type(_constant(arguments[1])) is str:
            return closures.invocation(CONSTANT_PATTERNS[function], args, keen=True)
        run = implementation(function, node.overloads, self._edition)
        constant = _constant(arguments[1], self._pure) if len(arguments) == 2 and position != 1 else MISSING
        if function in _ORDERINGS:
            if type(constant) is int:
                return closures.ordering_with(function, run, args[0], constant)
            return closures.ordering(_ORDERINGS[function], run, (args[0], args[1]))
        if constant is not MISSING:
            method = guarded(function, node.overloads, self._edition)
            if method is not None and type(constant) in method.second:
                entry = None if is_test(arguments[0]) else entry_of(arguments[0], scope)
                if entry is not None:
                    return device_closures.method_with(entry, function, method, constant)
                return closures.method_with(function, method, args[0], constant)
        return closures.invocation(run, args, is_keen(function, overload, len(args)), constant)

    def _alternative(self, sides: Sequence[Expr], unwrap: bool, scope: Scope) -> Closure:
        """`a.or(b)`, and with `unwrap` `a.orValue(b)`."""
        first, second = sides
        alternative = self.expr(second, scope)
        if unwrap and self._modern:
            entry = entry_of(first, scope, optional=True)
            if entry is not None and entry.attribute == "attributes":
                return device_closures.attribute_or(entry.domain, entry.name, alternative)
        return closures.optional_or(self.expr(first, scope), alternative, unwrap, self._modern)

    def _membership(self, element: Expr, values: Value, scope: Scope) -> Closure | None:
        """`x in [constants]`, unless the constants are no simple ones."""
        if values is MISSING:
            return None
        if not values:
            return lambda _: False
        members = member_set(values)
        if members is None:
            return None
        entry = entry_of(element, scope)
        if entry is not None and entry.attribute == "attributes" and not is_test(element):
            return device_closures.attribute_in(entry.domain, entry.name, members)
        return closures.membership(self.expr(element, scope), members)

    def _logical(self, node: Call, scope: Scope) -> Closure:
        terms = [self.expr(term, scope) for term in terms_of(node, node.function)]
        return closures.any_true(terms) if node.function == OR else closures.all_true(terms)

    def _conditional(self, node: Call, scope: Scope) -> Closure:
        condition = self.expr(node.args[0], scope)
        yes, no = (self._branch(part, scope) for part in node.args[1:])
        return closures.conditional(condition, yes, no)

    def _branch(self, node: Expr, scope: Scope) -> Closure:
        if isinstance(node, Select) and node.test_only:
            root, links = self._links(node, scope)
            return chains.tested_branch(self._unwrapping(self.expr(root, scope)), links)
        return self._unwrapping(self.expr(node, scope))

    def _equality(self, node: Call, scope: Scope) -> Closure:
        first, second = node.args
        constant = _constant(second)
        plain = type(constant) is str or type(constant) is int or type(constant) is bool
        if node.function == NOT_EQUALS:
            if plain:
                return closures.not_equals_constant(self.expr(first, scope), constant)
            return closures.not_equals(self.expr(first, scope), self.expr(second, scope))
        if plain:
            return self._equals_constant(first, constant, scope)
        return closures.equals(self.expr(first, scope), self.expr(second, scope))

    def _equals_constant(self, node: Expr, constant: Value, scope: Scope) -> Closure:
        if not is_test(node):
            entry = entry_of(node, scope)
            if entry is not None and entry.attribute == "attributes":
                return device_closures.attribute_equals(entry.domain, entry.name, constant)
            if isinstance(node, Select) and node.field == "driver" and is_device(node.operand, scope):
                return device_closures.driver_equals(constant)
        return closures.equals_constant(self.expr(node, scope), constant)

    # Literals

    def _list(self, node: ListLiteral, scope: Scope) -> Closure:
        elements = [self.expr(element, scope) for element in node.elements]
        if not node.optional:
            return lambda frame: [element(frame) for element in elements]
        marked = [(element, index in node.optional) for index, element in enumerate(elements)]

        def make(frame: Frame) -> Value:
            made = []
            for element, optional in marked:
                value = element(frame)
                if optional:
                    value = optional_element(value)
                    if value is MISSING:
                        continue
                made.append(value)
            return made

        return make

    def _map(self, node: MapLiteral, scope: Scope) -> Closure:
        entries = [
            (self.expr(entry.key, scope), self.expr(entry.value, scope), entry.optional) for entry in node.entries
        ]

        def make(frame: Frame) -> Value:
            made: dict[MapKey, Value] = {}
            for key_of, value_of, optional in entries:
                key = key_of(frame)
                value = value_of(frame)
                if optional:
                    value = optional_entry(key, value)
                    if value is MISSING:
                        made.pop(map_key(key), None)
                        continue
                made[map_key(key)] = value
            return made

        return make

    def _struct(self, node: StructLiteral, scope: Scope) -> Closure:
        name = node.name.removeprefix(".")
        entries = [(entry.field, self.expr(entry.value, scope), entry.optional) for entry in node.entries]

        def make(frame: Frame) -> Value:
            fields: dict[str, Value] = {}
            for field, value_of, optional in entries:
                value = value_of(frame)
                if optional:
                    value = optional_entry(field, value)
                    if value is MISSING:
                        fields.pop(field, None)
                        continue
                fields[field] = value
            return make_struct(name, fields)

        return make

    # Macros

    def _comprehension(self, node: Comprehension, scope: Scope) -> Closure:
        over = self.expr(node.iter_range, scope)
        initial = self.expr(node.accumulator_init, scope)
        accumulator = self._slot()
        outside = {**scope, node.accumulator: accumulator}
        if isinstance(node.iter_range, ListLiteral) and not node.iter_range.elements:
            if cannot_fail(node.accumulator_init, scope):
                self._settled.add(accumulator)
                return loops.bound_at_once(accumulator, initial, self.expr(node.result, outside))
            return loops.bound(accumulator, initial, self.expr(node.result, outside))
        first = self._slot()
        inside = {**outside, node.iter_var: first}
        second = None
        if node.iter_var2 is not None:
            second = self._slot()
            inside[node.iter_var2] = second
        inside[node.accumulator] = accumulator  # wins over a variable of the same name
        items = loops.Items(over, first, second)
        quantifier = predicate_of(node)
        if quantifier is not None:
            return loops.quantified(items, self.expr(quantifier, inside), exists=is_exists(node))
        loop = loops.Loop(accumulator, initial, self.expr(node.condition, inside), self.expr(node.step, inside))
        return loops.folded(items, loop, self.expr(node.result, outside))


def constant_value(node: Expr) -> Value:
    """The value of an expression that is made of literals and conversions alone; MISSING for any other."""
    return _constant(node, _PURE)


def _constant(node: Expr, folded: frozenset[str] = CONVERSIONS) -> Value:
    """The value of a literal, and of what the reference folds before evaluation; MISSING for anything else.

    With `_PURE`, of more functions, where nobody can tell the difference.
    """
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, ListLiteral) and not node.optional:
        values = [_constant(element, folded) for element in node.elements]
        return MISSING if any(value is MISSING for value in values) else values
    if isinstance(node, Call) and node.target is None and len(node.args) == 1 and node.function in folded:
        value = _constant(node.args[0], folded)
        if value is not MISSING:
            try:
                return implementation(node.function, node.overloads)(value)
            except (EvaluationError, AbandonedError):
                return MISSING
    return MISSING


def _device_chain(links: list[Link], tested: bool) -> Closure:
    """What else begins with `device`."""
    field = links[0].key
    if (tested and len(links) == 1) or links[0].optional or type(field) is not str or field not in DEVICE_FIELDS:
        return chains.chain(lambda frame: device_map(frame[0]), links, tested)
    plain = 1
    if field in ENTRY_MAPS:
        while plain < min(3, len(links) - tested) and not links[plain].optional and type(links[plain].key) is str:
            plain += 1
    keys = [link.key for link in links[1:plain]]
    if not keys:
        root = device_closures.field(DEVICE_FIELDS[field])
    elif len(keys) == 1:
        root = device_closures.domain_map(field, *keys)
    else:
        root = device_closures.value(Entry(field, *keys))
    rest = links[plain:]
    return chains.chain(root, rest, tested) if rest else root

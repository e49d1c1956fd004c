"""Evaluation: `build` turns a checked tree into closures, quick enough for every device of a cluster.

`evaluate` gives the cost as well; it runs the slower twin in `webhook.cel.counting`, which counts as the
scheduler does. Tests hold both to the same results.

A closure takes the frame: a list with the device first, then a slot for each variable of a macro. The
accumulator of a macro is evaluated when it is first used, so `cel.bind(x, <error>, true)` is true, and may
hold an error, which only using it raises. Source for what happens when: cel-go interpreter/interpretable.go.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from webhook.cel import chains, closures, device_closures, loops
from webhook.cel.chains import Link
from webhook.cel.closures import Closure, Frame
from webhook.cel.counting import Outcome, counted, is_modern
from webhook.cel.depth import allow_depth, has_depth
from webhook.cel.device import DEVICE_FIELDS, CelDevice, check_device, device_map
from webhook.cel.device_closures import Place
from webhook.cel.functions.membership import member_set
from webhook.cel.functions.quantity_state import with_own_quantities
from webhook.cel.functions.regex import CONSTANT_PATTERNS
from webhook.cel.functions.table import CONVERSIONS, Edition, edition_for, guarded, implementation, is_keen
from webhook.cel.native import native_problem
from webhook.cel.qualify import checked_key, optional_element, optional_entry
from webhook.cel.runtime_cost import COUNTED_ARGUMENTS
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
    NOT_STRICTLY_FALSE,
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

__all__ = ["BoundedProgram", "EvaluationError", "Outcome", "Program", "build", "constant_value", "evaluate"]

Scope: TypeAlias = Mapping[str, int]

_ORDERINGS: Final = {LESS: operator.lt, LESS_EQUALS: operator.le, GREATER: operator.gt, GREATER_EQUALS: operator.ge}
MOST_COST: Final = 1_000_000
_MANY_NODES: Final = 150
_PLACES: Final = ("attributes", "capacity")
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


class BoundedProgram:
    """An expression whose run ends at the cost limit, as the scheduler's does; some twenty times as slow."""

    __slots__ = ("_ast", "_version")

    def __init__(self, ast: Ast, version: str) -> None:
        self._ast = ast
        self._version = version

    def matches(self, device: CelDevice) -> bool:
        """As Program.matches."""
        outcome = evaluate(self._ast, device, version=self._version)
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


def evaluate(ast: Ast, device: CelDevice, cost_limit: int = MOST_COST, version: str = "1.37") -> Outcome:
    """The result or error on the device, and what it cost in that Kubernetes version."""
    _allow_deep_trees(ast)
    if device.problem is not None:
        return Outcome(None, device.problem, 0)
    outcome = counted(ast, device, cost_limit, version)
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
        if node.type.kind == Kind.TYPE and node.reference != "device":
            return self._named(node.reference or node.name)
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
        place = _place(node, scope)
        if place is not None:
            return device_closures.is_there(place) if tested else device_closures.value(place)
        root, links = self._links(node, scope)
        if _is_device(root, scope):
            return _device_chain(links, tested)
        return chains.chain(self._unwrapping(self.expr(root, scope)), links, tested)

    def _links(self, node: Expr, scope: Scope) -> tuple[Expr, list[Link]]:
        """What a chain begins with, and its fields and indices."""
        links: list[Link] = []
        root = node
        while (parts := _link(root)) is not None:
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
                place = None if _is_test(arguments[0]) else _place(arguments[0], scope)
                if place is not None:
                    return device_closures.method_with(place, function, method, constant)
                return closures.method_with(function, method, args[0], constant)
        return closures.invocation(run, args, is_keen(function, overload, len(args)), constant)

    def _alternative(self, sides: Sequence[Expr], unwrap: bool, scope: Scope) -> Closure:
        """`a.or(b)`, and with `unwrap` `a.orValue(b)`."""
        first, second = sides
        alternative = self.expr(second, scope)
        if unwrap and self._modern:
            place = _place(first, scope, optional=True)
            if place is not None and place.attribute == "attributes":
                return device_closures.attribute_or(place.domain, place.name, alternative)
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
        place = _place(element, scope)
        if place is not None and place.attribute == "attributes" and not _is_test(element):
            return device_closures.attribute_in(place.domain, place.name, members)
        return closures.membership(self.expr(element, scope), members)

    def _logical(self, node: Call, scope: Scope) -> Closure:
        terms = [self.expr(term, scope) for term in _terms(node, node.function)]
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
        if not _is_test(node):
            place = _place(node, scope)
            if place is not None and place.attribute == "attributes":
                return device_closures.attribute_equals(place.domain, place.name, constant)
            if isinstance(node, Select) and node.field == "driver" and _is_device(node.operand, scope):
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
            if _cannot_fail(node.accumulator_init, scope):
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
        quantifier = _quantifier(node)
        if quantifier is not None:
            return loops.quantified(items, self.expr(quantifier, inside), exists=_is_exists(node))
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


def _link(node: Expr) -> tuple[Expr, Expr | str, bool] | None:
    """Operand, key and whether it is optional, of a node that is a field or an index."""
    if isinstance(node, Select):
        return None if node.reference is not None else (node.operand, node.field, False)
    if isinstance(node, Call) and node.target is None:
        if node.function == INDEX:
            return node.args[0], node.args[1], False
        if node.function in (OPTIONAL_INDEX, OPTIONAL_SELECT):
            return node.args[0], node.args[1], True
    return None


def _is_device(node: Expr, scope: Scope) -> bool:
    """Whether it is the variable `device`, and not a macro's of the same name."""
    return (
        isinstance(node, Ident) and node.reference == "device" and (node.name not in scope or node.name.startswith("."))
    )


def _is_test(node: Expr) -> bool:
    return isinstance(node, Select) and node.test_only


def _place(node: Expr, scope: Scope, optional: bool = False) -> Place | None:
    """The place of `device.attributes['domain'].name` and its kin, also where `has` asks for it.

    With `optional` that of `device.attributes['domain'].?name`.
    """
    link = _link(node)
    if link is None or link[2] != optional:
        return None
    domain = _domain(link[0], scope)
    name = _text(link[1])
    return None if domain is None or name is None else Place(*domain, name)


def _domain(node: Expr, scope: Scope) -> tuple[str, str] | None:
    """Field and domain of `device.attributes['domain']` and its kin."""
    link = _link(node)
    if link is None or link[2]:
        return None
    field, key, _ = link
    domain = _text(key)
    if domain is None or not isinstance(field, Select) or field.field not in _PLACES:
        return None
    return (field.field, domain) if _is_device(field.operand, scope) else None


def _cannot_fail(node: Expr, scope: Scope) -> bool:
    """Whether the value is there on each device."""
    return isinstance(node, Literal) or (not _is_test(node) and _domain(node, scope) is not None)


def _text(key: Expr | str) -> str | None:
    """The key, if it is a constant text."""
    if isinstance(key, str):
        return key
    return key.value if isinstance(key, Literal) and isinstance(key.value, str) else None


def _device_chain(links: list[Link], tested: bool) -> Closure:
    """What else begins with `device`."""
    field = links[0].key
    if (tested and len(links) == 1) or links[0].optional or type(field) is not str or field not in DEVICE_FIELDS:
        return chains.chain(lambda frame: device_map(frame[0]), links, tested)
    plain = 1
    if field in _PLACES:
        while plain < min(3, len(links) - tested) and not links[plain].optional and type(links[plain].key) is str:
            plain += 1
    keys = [link.key for link in links[1:plain]]
    if not keys:
        root = device_closures.field(DEVICE_FIELDS[field])
    elif len(keys) == 1:
        root = device_closures.domain_map(field, *keys)
    else:
        root = device_closures.value(Place(field, *keys))
    rest = links[plain:]
    return chains.chain(root, rest, tested) if rest else root


def _terms(node: Expr, function: str) -> list[Expr]:
    """The terms of a chain of the same operator, which the parser has made a tree."""
    if isinstance(node, Call) and node.function == function:
        return [term for argument in node.args for term in _terms(argument, function)]
    return [node]


def _quantifier(node: Comprehension) -> Expr | None:
    """The predicate, if the loop is what `all` or `exists` expand to."""
    step = node.step
    if isinstance(node.condition, Call) and node.condition.function == NOT_STRICTLY_FALSE and isinstance(step, Call):
        return step.args[1]
    return None


def _is_exists(node: Comprehension) -> bool:
    return isinstance(node.step, Call) and node.step.function == OR

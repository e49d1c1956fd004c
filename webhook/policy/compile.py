"""From a ClaimPolicy to what judges objects by it, or to what is wrong with it, as it would be told at its write."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from webhook.cel.compile import Compiled, Verdict, compile_selector
from webhook.cel.cost import estimate
from webhook.cel.diagnostics import DiagnosticKind
from webhook.cel.environment import Environment, Sized
from webhook.cel.evaluator import build_value
from webhook.cel.syntax import Ast, Ident, Select, walk
from webhook.cel.types import Type
from webhook.cel.unparsable import unparsable_literals
from webhook.cel.values import MapKey, Value
from webhook.core.cache import BoundedCache
from webhook.core.claims import Selector
from webhook.core.fieldpath import ROOT
from webhook.core.finding import Finding, Fix, Reason, Severity, in_order
from webhook.core.policies import ClaimPolicy, Expression, NamedExpression, Validation
from webhook.policy.environment import NEWEST, giving_bool, giving_text, policy_environment
from webhook.policy.vocabulary import PARAMS, VARIABLES
from webhook.rules import cel, invalid_field, selector_bad_literal

MOST_POLICY_COST: Final = 10_000_000
"""What all expressions of a policy may cost together (celconfig.RuntimeCELCostBudget)."""
MOST_CHARACTERS: Final = 100_000
"""How many characters all expressions of a policy may have together."""

Extent = tuple[int, int]
"""The most entries of a list or map, and the longest text."""

_QUICK_COST: Final = 250_000
"""What a policy may cost without being counted: some 50 ms, in which nobody looks at the clock."""
_DEEPEST_CHAIN: Final = 8
"""How many variables may need each other in a row before what they make is counted: each can double a text unseen."""
_SPEC: Final = ROOT.child("spec")
_MOST_KEPT: Final = 1_000_000  # characters of expressions


@dataclass(frozen=True, eq=False)
class CompiledExpression:
    """An expression that is checked. `cost` is the most that it costs, `environment` what it was checked in."""

    source: Expression
    ast: Ast
    cost: int
    environment: Environment

    @property
    def type(self) -> Type:
        return self.ast.root.type

    @cached_property
    def program(self) -> Callable[[Mapping[MapKey, Value]], Value]:
        """What gives the value, without a limit, or raises EvaluationError."""
        return build_value(self.ast)

    def cost_within(self, extent: Extent) -> int:
        """Return the most that it costs where no list, map or text without a declared size is larger than that."""
        return estimate(self.ast.root, replace(self.environment, undeclared=extent))[0]


@dataclass(frozen=True, slots=True, eq=False)
class CompiledValidation:
    validation: Validation
    expression: CompiledExpression
    message: CompiledExpression | None = None


@dataclass(frozen=True, eq=False)
class CompiledPolicy:
    """A policy ready to judge; with flaws it judges nothing.

    `variables` are in the order in which they are declared; `depth` is the longest chain of variables that need each
    other. `words` are the variables and fields of the vocabulary that its expressions read, as `claim.worst`.
    """

    policy: ClaimPolicy
    match_conditions: tuple[tuple[str, CompiledExpression], ...] = ()
    variables: Mapping[str, CompiledExpression] = field(default_factory=dict)
    validations: tuple[CompiledValidation, ...] = ()
    audit_annotations: tuple[tuple[str, CompiledExpression], ...] = ()
    flaws: tuple[Finding, ...] = ()
    depth: int = 0
    words: frozenset[str] = frozenset()

    @property
    def works(self) -> bool:
        return not self.flaws

    def is_bounded(self, extent: Extent) -> bool:
        """Return whether the expressions certainly cost so little on an object of that extent that none is counted."""
        known = self._bounded.get(extent)
        if known is None:
            cost = sum(expression.cost_within(extent) for expression in self.expressions())
            known = self._bounded[extent] = cost <= _QUICK_COST and self.depth <= _DEEPEST_CHAIN
        return known

    @cached_property
    def _bounded(self) -> dict[Extent, bool]:
        return {}

    def expressions(self) -> Iterator[CompiledExpression]:
        """Yield all expressions."""
        yield from (expression for _, expression in self.match_conditions)
        yield from self.variables.values()
        for validation in self.validations:
            yield validation.expression
            if validation.message is not None:
                yield validation.message
        yield from (expression for _, expression in self.audit_annotations)


_COMPILED: BoundedCache[tuple[ClaimPolicy, str], CompiledPolicy] = BoundedCache(_MOST_KEPT)


def compile_policy(policy: ClaimPolicy, version: str = NEWEST) -> CompiledPolicy:
    """Return the policy compiled with the functions of that Kubernetes version; the same content is compiled once."""
    characters = sum(len(expression.text) for expression in policy.expressions())
    return _COMPILED.get((policy, version), characters + 1000, lambda: _compiled(policy, version, characters))


def _compiled(policy: ClaimPolicy, version: str, characters: int) -> CompiledPolicy:
    if characters > MOST_CHARACTERS:
        message = f"all expressions together must have at most {MOST_CHARACTERS} characters, not {characters}"
        flaw = Finding("cel-length", Severity.DENY, _SPEC, message, (_SPLIT,), reason=Reason.TOO_LONG)
        return CompiledPolicy(policy, flaws=(*_of_form(policy), flaw))
    return _Compiling(policy, version).compiled()


_SPLIT: Final = Fix("make several policies of it")


def _of_form(policy: ClaimPolicy) -> Iterator[Finding]:
    """Yield what cannot be read of the policy."""
    for flaw in policy.flaws:
        yield Finding(invalid_field.NAME, Severity.DENY, flaw.path, flaw.message, (Fix(flaw.fix, flaw.edits),))


class _Compiling:
    """One policy on its way: variables first, each seeing those before it."""

    def __init__(self, policy: ClaimPolicy, version: str) -> None:
        self._policy = policy
        self._flaws: list[Finding] = list(_of_form(policy))
        self._environment = policy_environment(version, policy.param_kind)
        self._types: tuple[tuple[str, Type], ...] = ()
        self._version = version
        self._variables: dict[str, CompiledExpression] = {}
        self._depths: dict[str, int] = {}
        self._words: set[str] = set()

    def compiled(self) -> CompiledPolicy:
        policy = self._policy
        for variable in policy.variables:
            self._declare(variable)
        conditions = tuple(self._named(policy.match_conditions, giving_bool(self._environment)))
        validations = tuple(self._validations())
        annotations = tuple(self._named(policy.audit_annotations, giving_text(self._environment)))
        made = CompiledPolicy(
            policy=policy,
            match_conditions=conditions,
            variables=self._variables,
            validations=validations,
            audit_annotations=annotations,
            depth=max(self._depths.values(), default=0),
            words=frozenset(self._words),
        )
        total = sum(expression.cost for expression in made.expressions())
        if total > MOST_POLICY_COST and not self._flaws:
            message = f"all expressions together cost up to {total} units, which must be at most {MOST_POLICY_COST}"
            self._flaws.append(Finding("cel-cost", Severity.DENY, _SPEC, message, (_SPLIT,), reason=Reason.FORBIDDEN))
        return replace(made, flaws=in_order(self._flaws))

    def _declare(self, variable: NamedExpression) -> None:
        """Compile a variable and declare it for what comes after; one with flaws is declared too, as anything."""
        found = self._expression(variable.expression, self._environment, variable.name)
        if found is None:
            return
        self._variables[variable.name] = found
        self._types = (*self._types, (variable.name, found.type))
        self._depths[variable.name] = 1 + max((self._depths[name] for name in _uses(found.ast)), default=0)
        _, size = estimate(found.ast.root, found.environment)
        environment = policy_environment(self._version, self._policy.param_kind, self._types)
        sizes = {**self._environment.sizes.get(VARIABLES, {})}
        if size is not None:
            sizes[variable.name] = Sized(found.type, size)
        self._environment = replace(environment, sizes={**environment.sizes, VARIABLES: sizes})

    def _named(
        self, listed: Iterable[NamedExpression], environment: Environment
    ) -> Iterator[tuple[str, CompiledExpression]]:
        for named in listed:
            found = self._expression(named.expression, environment)
            if found is not None:
                yield named.name, found

    def _validations(self) -> Iterator[CompiledValidation]:
        for validation in self._policy.validations:
            expression = self._expression(validation.expression, giving_bool(self._environment))
            message = None
            if validation.message_expression is not None:
                message = self._expression(validation.message_expression, giving_text(self._environment))
            if expression is not None:
                yield CompiledValidation(validation, expression, message)

    def _expression(
        self, expression: Expression, environment: Environment, variable: str = ""
    ) -> CompiledExpression | None:
        compiled = compile_selector(expression.text, environment)
        if compiled.verdict is not Verdict.OK or compiled.ast is None:
            self._flaws += self._explained(expression, compiled, variable)
            return None
        self._words |= set(_words(compiled.ast))
        selector = Selector(expression.text, expression.path)
        for literal in unparsable_literals(compiled.ast):
            self._flaws.append(selector_bad_literal.finding(literal, selector, "the expression ends in an error"))
        return CompiledExpression(expression, compiled.ast, compiled.max_cost, environment)

    def _explained(self, expression: Expression, compiled: Compiled, variable: str) -> Iterator[Finding]:
        """Yield what is wrong; what the policy itself explains is told in its words."""
        declared = [entry.name for entry in self._policy.variables]
        for diagnostic in compiled.diagnostics:
            selector = Selector(expression.text, expression.path)
            finding = _in_our_words(cel.explained(selector, diagnostic, Severity.DENY))
            known = _WHOLE_FIXES.get(diagnostic.kind) or _FIXES.get(finding.message)
            if known is not None:
                yield replace(finding, fixes=(Fix(known),))
                continue
            text = expression.text[diagnostic.start : diagnostic.end]
            if finding.message == f"there is no variable `{PARAMS}`":
                fix = Fix("add `paramKind` and `paramRef` to the policy: which object the parameters are")
                yield replace(finding, message="the policy has no parameters", fixes=(fix,))
            elif finding.message == f"`{VARIABLES}` has no field `{text}`":
                yield from self._of_variable(finding, text, variable, declared)
            else:
                yield finding

    def _of_variable(self, finding: Finding, name: str, variable: str, declared: list[str]) -> Iterator[Finding]:
        if name == variable:
            fix = Fix("write what it is without itself")
            yield replace(finding, message=f"the variable `{name}` refers to itself", fixes=(fix,))
        elif name in declared and variable and declared.index(name) > declared.index(variable):
            later = self._policy.variables[declared.index(name)].expression.text
            message = f"the variable `{name}` is declared only after `{variable}`"
            fix = Fix(f"move `{name}` before `{variable}`")
            if f"{VARIABLES}.{variable}" in later:
                message = f"the variables `{variable}` and `{name}` refer to each other"
                fix = Fix("write one of them without the other")
            yield replace(finding, message=message, fixes=(fix,))
        elif name not in declared:
            yield replace(finding, message=f"there is no variable `{name}` in this policy")


# What is to be done about what is no mistake of the language, by what is said of it, and by its kind.
_FIXES: Final = {
    "there is no variable `authorizer`": "policies cannot ask what a user may do: go by request.userInfo.groups",
    "there is no variable `device`": "go by claim.alternatives, or by inventory.devices('driver')",
}
_WHOLE_FIXES: Final = {
    DiagnosticKind.COST: "use claim.alternatives in place of loops within loops, and shorter texts and patterns",
    DiagnosticKind.LENGTH: "split it into several validations or variables",
}
_PREFIX: Final = re.compile(r"\b(?:drawbridge|kubernetes)\.(?=[A-Z])")
_OF_DEVICES: Final = "has(device.attributes['domain'].name)"


def _in_our_words(finding: Finding) -> Finding:
    """Return what is said of an expression without what only selectors know of."""
    fixes = tuple(replace(fix, message=fix.message.replace(_OF_DEVICES, "has(object.spec)")) for fix in finding.fixes)
    return replace(finding, message=_PREFIX.sub("", finding.message), fixes=fixes)


def _uses(ast: Ast) -> Iterator[str]:
    """Yield the policy's variables that an expression reads."""
    for node in walk(ast.root):
        if isinstance(node, Select) and isinstance(node.operand, Ident) and node.operand.reference == VARIABLES:
            yield node.field


def _words(ast: Ast) -> Iterator[str]:
    """Yield the words that an expression reads: `claim.worst`; a variable alone where it is read as a whole."""
    fields: set[int] = set()
    for node in walk(ast.root):
        if isinstance(node, Select) and isinstance(node.operand, Ident) and node.operand.reference:
            fields.add(node.operand.id)
            yield f"{node.operand.reference}.{node.field}"
    for node in walk(ast.root):
        if isinstance(node, Ident) and node.id not in fields and node.reference:
            yield node.reference

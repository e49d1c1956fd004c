"""What of a policy the API server cannot do as a ValidatingAdmissionPolicy, or does otherwise."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from webhook.cel.syntax import (
    OPTIONAL_INDEX,
    OPTIONAL_SELECT,
    Ast,
    Call,
    Comprehension,
    Expr,
    Ident,
    Literal,
    Select,
    children,
    walk,
)
from webhook.cel.types import Type
from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.policies import CONFIG_MAP, ClaimPolicy, FailurePolicy, ParameterNotFound, PolicyMode
from webhook.policy.compile import CompiledExpression, CompiledPolicy
from webhook.policy.resources import families_of
from webhook.policy.vocabulary import CLAIM, VARIABLES

_OWN_WORDS: Final = frozenset({CLAIM, "pod", "quotas", "inventory"})
_NOT_IN_CONDITIONS: Final = frozenset({VARIABLES, "namespaceObject"})
_MOST_CONDITIONS: Final = 64
_MOST_KEY: Final = 63
_MOST_VALUE_EXPRESSION: Final = 5 * 1024
_SPEC: Final = ROOT.child("spec")

# Fields that are empty in our words and absent in the API server's (`omitempty`), by the type that has them.
_LEFT_OUT: Final = {
    "kubernetes.AdmissionRequest": ("name", "subResource"),
    "kubernetes.UserInfo": ("uid", "extra"),
    "kubernetes.NamespaceMetadata": ("annotations",),
}


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a policy cannot be exported, with the place in it."""

    path: FieldPath
    problem: str


def obstacles(compiled: CompiledPolicy) -> Iterator[Obstacle]:
    """Yield what of a policy the API server cannot do, or does otherwise."""
    policy = compiled.policy
    if compiled.flaws:
        for flaw in compiled.flaws:
            yield Obstacle(flaw.path, flaw.message)
        return
    for expression in compiled.expressions():
        yield from (Obstacle(expression.source.path, problem) for problem in _of_words(expression))
    for _, condition in compiled.match_conditions:
        for name in sorted(_NOT_IN_CONDITIONS & _idents(condition.ast)):
            problem = f"`{name}` is not there in the API server's `matchConditions`"
            yield Obstacle(condition.source.path, problem)
    yield from _of_spec(policy)
    yield from _of_parameters(policy)
    yield from _of_annotations(policy)


def _of_words(expression: CompiledExpression) -> Iterator[str]:
    """Yield what an expression reads or calls that the API server does not have, or has otherwise."""
    for name in sorted(_OWN_WORDS & _idents(expression.ast)):
        yield f"only Drawbridge has `{name}`"
    root = expression.ast.root
    with_default = frozenset(_with_default(root))
    for node in walk(root):
        read = _read(node)
        if read is None or node.id in with_default:
            continue
        owner, field = read
        if field in _LEFT_OUT.get(owner.name, ()):
            default = {"extra": "{}", "annotations": "{}"}.get(field, "''")
            yield f"the API server leaves `{field}` out where it is empty: write `.?{field}.orValue({default})`"
    for call in expression.ast.macros.values():
        if call.function == "bind":
            yield "the API server has no `cel.bind` in policies: write a variable"


def _with_default(root: Expr) -> Iterator[int]:
    """Yield the ids of optional readings that are the same for what is absent and what is empty."""
    for node in walk(root):
        if isinstance(node, Call) and node.function == "orValue" and node.target is not None:
            yield node.target.id
        elif isinstance(node, Call) and node.function == OPTIONAL_INDEX:
            yield node.args[0].id


def _idents(ast: Ast) -> frozenset[str]:
    """Return the variables that an expression reads, those of its own loops apart."""
    return frozenset(_free(ast.root, frozenset()))


def _free(node: Expr, bound: frozenset[str]) -> Iterator[str]:
    if isinstance(node, Ident) and node.reference and node.name not in bound:
        yield node.reference
    if not isinstance(node, Comprehension):
        for child in children(node):
            yield from _free(child, bound)
        return
    for outside in (node.iter_range, node.accumulator_init):
        yield from _free(outside, bound)
    for inside in (node.condition, node.step, node.result):
        yield from _free(inside, bound | {node.iter_var, node.iter_var2 or node.iter_var, node.accumulator})


def _read(node: Expr) -> tuple[Type, str] | None:
    """Return the type and the name of the field that a node reads or asks for."""
    if isinstance(node, Select) and node.reference is None:
        return node.operand.type, node.field
    if isinstance(node, Call) and node.function == OPTIONAL_SELECT and isinstance(node.args[1], Literal):
        return node.args[0].type, str(node.args[1].value)
    return None


def _of_spec(policy: ClaimPolicy) -> Iterator[Obstacle]:
    if policy.defaults:
        yield Obstacle(_SPEC.child("defaults"), "a ValidatingAdmissionPolicy changes no objects")
    if policy.percent < 100:
        problem = "the API server knows no share of namespaces: use `match.namespaceSelector`, or wait for 100"
        yield Obstacle(_SPEC.child("percent"), problem)
    extra = max(len(family.conditions) for family in families_of(policy)) + len(policy.exceptions) + 1
    if len(policy.match_conditions) + extra > _MOST_CONDITIONS:
        problem = f"with those for exceptions there would be more than {_MOST_CONDITIONS}"
        yield Obstacle(_SPEC.child("matchConditions"), problem)


def _warns_only(policy: ClaimPolicy) -> bool:
    """Return whether somewhere less than Deny holds, where the API server denies some errors all the same."""
    denies = policy.mode is PolicyMode.DENY and all(family.most is PolicyMode.DENY for family in families_of(policy))
    return policy.failure_policy is FailurePolicy.FAIL and not denies


def _of_parameters(policy: ClaimPolicy) -> Iterator[Obstacle]:
    kind, reference = policy.param_kind, policy.param_ref
    if kind is None or reference is None:
        return
    if kind.kind != CONFIG_MAP:
        yield Obstacle(_SPEC.child("paramKind"), f"only Drawbridge has {kind.kind}: use a ConfigMap")
    if not reference.namespace and not all(family.is_namespaced for family in families_of(policy)):
        problem = "a DeviceClass has no namespace to take parameters from: name a `namespace`"
        yield Obstacle(_SPEC.child("paramRef"), problem)
    if reference.not_found is ParameterNotFound.DENY and _warns_only(policy):
        problem = (
            "where parameters are missing the API server denies whatever the mode is: "
            "set `parameterNotFoundAction` to Allow or `failurePolicy` to Ignore"
        )
        yield Obstacle(_SPEC.child("paramRef", "parameterNotFoundAction"), problem)


def _of_annotations(policy: ClaimPolicy) -> Iterator[Obstacle]:
    at = _SPEC.child("auditAnnotations")
    if policy.audit_annotations and _warns_only(policy):
        problem = "where one ends in an error the API server denies whatever the mode is: set `failurePolicy` to Ignore"
        yield Obstacle(at, problem)
    for position, annotation in enumerate(policy.audit_annotations):
        if "/" in annotation.name or len(annotation.name) > _MOST_KEY:
            problem = f"must be a name without '/' of at most {_MOST_KEY} characters for the API server"
            yield Obstacle(at.index(position).child("key"), problem)
        if len(annotation.expression.text.encode()) > _MOST_VALUE_EXPRESSION:
            problem = f"must have at most {_MOST_VALUE_EXPRESSION} bytes for the API server"
            yield Obstacle(annotation.expression.path, problem)

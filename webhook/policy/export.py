"""Policies as ValidatingAdmissionPolicy and its binding (admissionregistration.k8s.io/v1), where both judge alike.

What the API server cannot do, or does otherwise, is an obstacle: a policy with one is not exported at all.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

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
from webhook.core.labels import LabelSelector, Requirement
from webhook.core.policies import (
    CONFIG_MAP,
    PARAMETER_LABEL,
    ClaimPolicy,
    FailurePolicy,
    ParameterNotFound,
    PolicyException,
    PolicyMode,
    Validation,
)
from webhook.core.raw import RawObject
from webhook.core.selector_template import escaped
from webhook.policy.compile import CompiledExpression, CompiledPolicy
from webhook.policy.resources import FAMILIES, Family
from webhook.policy.vocabulary import CLAIM, VARIABLES
from webhook.policy.wording import message_of
from webhook.rules import SYSTEM_NAMESPACES

GROUP_VERSION: Final = "admissionregistration.k8s.io/v1"
POLICY: Final = "ValidatingAdmissionPolicy"
BINDING: Final = "ValidatingAdmissionPolicyBinding"
_OURS: Final = "drawbridge.dev"
OF_POLICY: Final = f"{_OURS}/policy"
"""The annotation that names the ClaimPolicy."""
EXPORT_AGAIN: Final = f"{_OURS}/export-again-after"
"""The annotation with the day on which the first exception ends, in a policy that has some."""

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


@dataclass(frozen=True, slots=True)
class Export:
    """The manifests of one policy; none where there are obstacles. `notes` say what differs, verdicts apart."""

    policy: ClaimPolicy
    manifests: tuple[RawObject, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()
    notes: tuple[str, ...] = ()


def exported(compiled: CompiledPolicy, today: date, own_namespace: str) -> Export:
    """Return the policy as the API server judges it by itself from today on."""
    policy = compiled.policy
    obstacles = tuple(_obstacles(compiled))
    if obstacles:
        return Export(policy, obstacles=obstacles)
    exceptions = [one for one in policy.exceptions if one.until is not None and one.until >= today]
    families = _families(policy)
    manifests: list[RawObject] = []
    for family in families:
        name = policy.name if len(families) == 1 else f"{policy.name}-{family.name}"
        manifests += _manifests(_Part(policy, family, name, exceptions, own_namespace))
    return Export(policy, tuple(manifests), notes=tuple(_notes(policy, families, exceptions)))


# What cannot be exported


def _obstacles(compiled: CompiledPolicy) -> Iterator[Obstacle]:
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
    extra = max(len(family.conditions) for family in _families(policy)) + len(policy.exceptions) + 1
    if len(policy.match_conditions) + extra > _MOST_CONDITIONS:
        problem = f"with those for exceptions there would be more than {_MOST_CONDITIONS}"
        yield Obstacle(_SPEC.child("matchConditions"), problem)


def _families(policy: ClaimPolicy) -> list[Family]:
    return [family for family in FAMILIES if policy.match.resources & family.resources.keys()]


def _warns_only(policy: ClaimPolicy) -> bool:
    """Return whether somewhere less than Deny holds, where the API server denies some errors all the same."""
    denies = policy.mode is PolicyMode.DENY and all(family.most is PolicyMode.DENY for family in _families(policy))
    return policy.failure_policy is FailurePolicy.FAIL and not denies


def _of_parameters(policy: ClaimPolicy) -> Iterator[Obstacle]:
    kind, reference = policy.param_kind, policy.param_ref
    if kind is None or reference is None:
        return
    if kind.kind != CONFIG_MAP:
        yield Obstacle(_SPEC.child("paramKind"), f"only Drawbridge has {kind.kind}: use a ConfigMap")
    if not reference.namespace and not all(family.is_namespaced for family in _families(policy)):
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


def _notes(policy: ClaimPolicy, families: Iterable[Family], exceptions: Iterable[PolicyException]) -> Iterator[str]:
    if any(validation.field is not None for validation in policy.validations):
        yield "`field` is left out: a refusal does not point at the place"
    for exception in exceptions:
        yield f"the exception that ends on {exception.until} does not end in what is exported: export again then"
    if any(family.name == "pods" for family in families):
        yield "workloads are not told beforehand what will be refused of their pods"


# The manifests


@dataclass(frozen=True, slots=True)
class _Part:
    """A policy for the resources of one family."""

    policy: ClaimPolicy
    family: Family
    name: str
    exceptions: list[PolicyException]
    own_namespace: str

    @property
    def metadata(self) -> RawObject:
        annotations = {OF_POLICY: self.policy.name}
        if self.exceptions:
            annotations[EXPORT_AGAIN] = str(min(one.until for one in self.exceptions if one.until is not None))
        return {"name": self.name, "annotations": annotations}


def _manifests(part: _Part) -> Iterator[RawObject]:
    yield {"apiVersion": GROUP_VERSION, "kind": POLICY, "metadata": part.metadata, "spec": _spec(part)}
    policy = part.policy
    binding: dict[str, Any] = {"policyName": part.name}
    if policy.param_ref is not None:
        binding["paramRef"] = _param_ref(policy)
    mode = part.family.most if policy.mode is PolicyMode.DENY else policy.mode
    binding["validationActions"] = [mode.value]
    yield {"apiVersion": GROUP_VERSION, "kind": BINDING, "metadata": part.metadata, "spec": binding}


def _spec(part: _Part) -> RawObject:
    policy = part.policy
    spec: dict[str, Any] = {"failurePolicy": policy.failure_policy.value}
    if policy.param_kind is not None:
        spec["paramKind"] = {"apiVersion": policy.param_kind.api_version, "kind": policy.param_kind.kind}
    spec["matchConstraints"] = _constraints(part)
    conditions = [*_conditions(part), *((one.name, one.expression.text) for one in policy.match_conditions)]
    listed = {
        "matchConditions": [{"name": name, "expression": text} for name, text in conditions],
        "variables": [{"name": one.name, "expression": one.expression.text} for one in policy.variables],
        "validations": [_validation(validation) for validation in policy.validations],
        "auditAnnotations": [
            {"key": one.name, "valueExpression": one.expression.text} for one in policy.audit_annotations
        ],
    }
    return {**spec, **{name: entries for name, entries in listed.items() if entries}}


def _constraints(part: _Part) -> RawObject:
    match, family = part.policy.match, part.family
    constraints: dict[str, Any] = {}
    if family.is_namespaced:
        left_alone = sorted({*SYSTEM_NAMESPACES, part.own_namespace})
        others = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": left_alone}
        constraints["namespaceSelector"] = {"matchExpressions": [others, *_selector(match.namespace_selector)]}
    if match.object_selector.requirements and _is_exact(family):
        constraints["objectSelector"] = {"matchExpressions": _selector(match.object_selector)}
    return {**constraints, "resourceRules": family.rules(match.resources)}


def _is_exact(family: Family) -> bool:
    """Return whether an objectSelector chooses alike; at an UPDATE the API server looks at the old object too."""
    return "UPDATE" not in family.operations


def _selector(selector: LabelSelector) -> list[RawObject]:
    return [
        {"key": one.key, "operator": one.operator, **({"values": list(one.values)} if one.values else {})}
        for one in selector.requirements
    ]


def _conditions(part: _Part) -> Iterator[tuple[str, str]]:
    """Yield what the webhook asks before it asks a policy, and what a policy leaves alone."""
    yield from ((f"{_OURS}/{name}", text) for name, text in part.family.conditions.items())
    chosen = part.policy.match.object_selector
    if chosen.requirements and not _is_exact(part.family):
        yield f"{_OURS}/object-selector", _labels_fit(chosen)
    for number, exception in enumerate(part.exceptions, start=1):
        yield f"{_OURS}/exception-{number}", f"!({' && '.join(_excepted(exception, part.family))})"


def _excepted(exception: PolicyException, family: Family) -> Iterator[str]:
    if exception.namespaces:
        namespace = "request.namespace" if family.is_namespaced else "request.?namespace.orValue('')"
        yield f"{namespace} in {_list(exception.namespaces)}"
    if exception.users:
        yield f"request.userInfo.username in {_list(exception.users)}"
    if exception.claim_selector is not None:
        yield f"({_labels_fit(exception.claim_selector)})"


def _labels_fit(selector: LabelSelector) -> str:
    return " && ".join(map(_label_fits, selector.requirements)) or "true"


def _label_fits(requirement: Requirement) -> str:
    value = f"object.metadata.?labels[?{_text(requirement.key)}]"
    match requirement.operator:
        case "In":
            return f"{value}.optMap(v, v in {_list(requirement.values)}).orValue(false)"
        case "NotIn":
            return f"{value}.optMap(v, !(v in {_list(requirement.values)})).orValue(true)"
        case "Exists":
            return f"{value}.hasValue()"
        case _:
            return f"!{value}.hasValue()"


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_text, sorted(texts)))}]"


def _text(text: str) -> str:
    return f"'{escaped(text)}'"


def _validation(validation: Validation) -> RawObject:
    made = {"expression": validation.expression.text, "reason": validation.reason.value}
    if validation.message_expression is not None:
        made["messageExpression"] = validation.message_expression.text
    return {**made, "message": " ".join(message_of(validation, None).split())}


def _param_ref(policy: ClaimPolicy) -> RawObject:
    """Return the reference; a selector chooses among the ConfigMaps that may be parameters alone."""
    reference = policy.param_ref
    assert reference is not None  # asked for by the caller
    made: dict[str, Any] = {"parameterNotFoundAction": reference.not_found.value}
    if reference.namespace:
        made["namespace"] = reference.namespace
    if reference.selector is None:
        return {"name": reference.name, **made}
    labelled = {"matchLabels": {PARAMETER_LABEL: "true"}, "matchExpressions": _selector(reference.selector)}
    return {"selector": labelled, **made}

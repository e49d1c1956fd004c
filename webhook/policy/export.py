"""Policies as ValidatingAdmissionPolicy and its binding (admissionregistration.k8s.io/v1), where both judge alike.

What the API server cannot do, or does otherwise, is an obstacle: a policy with one is not exported at all.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from webhook.core.cluster import NAME_LABEL
from webhook.core.labels import LabelSelector, Requirement
from webhook.core.policies import PARAMETER_LABEL, ClaimPolicy, PolicyException, PolicyMode, Validation
from webhook.core.raw import RawObject
from webhook.core.selector_template import escaped
from webhook.policy.compile import CompiledPolicy
from webhook.policy.obstacles import Obstacle, obstacles
from webhook.policy.resources import Family, families_of
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
    found = tuple(obstacles(compiled))
    if found:
        return Export(policy, obstacles=found)
    exceptions = [one for one in policy.exceptions if one.until is not None and one.until >= today]
    families = families_of(policy)
    manifests: list[RawObject] = []
    for family in families:
        name = policy.name if len(families) == 1 else f"{policy.name}-{family.name}"
        manifests += _manifests(_Part(policy, family, name, exceptions, own_namespace))
    return Export(policy, tuple(manifests), notes=tuple(_notes(policy, families, exceptions)))


def _notes(policy: ClaimPolicy, families: Iterable[Family], exceptions: Iterable[PolicyException]) -> Iterator[str]:
    if any(validation.field is not None for validation in policy.validations):
        yield "`field` is left out: a refusal does not point at the place"
    for exception in exceptions:
        yield f"the exception that ends on {exception.until} does not end in what is exported: export again after it"
    if any(family.name == "pods" for family in families):
        yield "workloads are not told beforehand what will be refused of their pods"
    if policy.param_ref is not None and policy.param_ref.name:
        yield f"a ConfigMap '{policy.param_ref.name}' counts without the label {PARAMETER_LABEL} too"


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
        others = {"key": NAME_LABEL, "operator": "NotIn", "values": left_alone}
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
    return {**made, "message": message_of(validation, None)}


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

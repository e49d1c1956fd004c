"""ClaimPolicy (contract 1): a platform team's rules, shaped like ValidatingAdmissionPolicy, with its field names.

Expressions are kept as they are written, each with its place; `webhook.policy` compiles them. What cannot be read is
among the flaws, with what mends it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import Enum

from webhook.core.claims import Toleration
from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.labels import LabelSelector
from webhook.core.quantity import Quantity
from webhook.core.raw import Misfit
from webhook.core.strict import Flaw

KIND = "ClaimPolicy"
PARAMETERS = "ClaimPolicyParameters"
CONFIG_MAP = "ConfigMap"
PARAMETER_LABEL = "drawbridge.dev/policy-parameters"
"""The label, with the value "true", of the ConfigMaps that policies may take as parameters: only these are watched."""


class PolicyMode(Enum):
    """What happens where a validation does not hold: refused, warned of, or only recorded."""

    DENY = "Deny"
    WARN = "Warn"
    AUDIT = "Audit"


class FailurePolicy(Enum):
    """What happens where an expression ends in an error: counts as not valid, or is passed over."""

    FAIL = "Fail"
    IGNORE = "Ignore"


class PolicyResource(Enum):
    """The kinds of object that a policy can look at."""

    CLAIMS = "claims"
    TEMPLATES = "templates"
    PODS = "pods"
    WORKLOADS = "workloads"
    DEVICE_CLASSES = "deviceclasses"


class PolicyReason(Enum):
    """The reason of a refusal for programs; it settles the status code (metav1.StatusReason)."""

    UNAUTHORIZED = "Unauthorized"
    FORBIDDEN = "Forbidden"
    INVALID = "Invalid"
    TOO_LARGE = "RequestEntityTooLarge"


class ParameterNotFound(Enum):
    """What happens where a policy's parameters are not there: it is passed over, or goes by its failurePolicy."""

    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True, slots=True)
class Expression:
    """One CEL expression and its place in the policy."""

    text: str
    path: FieldPath


@dataclass(frozen=True, slots=True)
class NamedExpression:
    """An entry of `variables` or `matchConditions`, or of `auditAnnotations` by its key."""

    name: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Validation:
    """What must hold. `field` is a place in the object, written as for a ResourceClaim of v1; None where none is."""

    expression: Expression
    message: str = ""
    message_expression: Expression | None = None
    field: FieldPath | None = None
    reason: PolicyReason = PolicyReason.FORBIDDEN
    path: FieldPath = ROOT


@dataclass(frozen=True, slots=True)
class PolicyMatch:
    """What a policy looks at; all must hold, and without any it is everything."""

    namespace_selector: LabelSelector = field(default_factory=LabelSelector)
    object_selector: LabelSelector = field(default_factory=LabelSelector)
    resources: frozenset[PolicyResource] = frozenset(PolicyResource)


@dataclass(frozen=True, slots=True)
class ParamKind:
    """The kind of the object that is `params` in expressions."""

    api_version: str
    kind: str


@dataclass(frozen=True, slots=True)
class ParamRef:
    """Which object is `params`: by its name, or all that a selector names; without a namespace, the review's."""

    name: str = ""
    namespace: str = ""
    selector: LabelSelector | None = None
    not_found: ParameterNotFound = ParameterNotFound.DENY


@dataclass(frozen=True, slots=True)
class DefaultToleration:
    """A toleration for every request that does not tolerate the same taint already."""

    toleration: Toleration


@dataclass(frozen=True, slots=True)
class DefaultCapacity:
    """An amount of a capacity for every request of shareable devices that asks for none of it."""

    name: str
    quantity: Quantity
    written: str | int


@dataclass(frozen=True, slots=True)
class DefaultLabel:
    """A label of the claim, where it has none of that key."""

    key: str
    value: str


PolicyDefault = DefaultToleration | DefaultCapacity | DefaultLabel


@dataclass(frozen=True, slots=True)
class PolicyException:
    """What the policy leaves alone up to and including the day `until` (UTC): all of its parts that are given must fit.

    `until` is None where it cannot be read: such an exception holds for nobody.
    """

    namespaces: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    claim_selector: LabelSelector | None = None
    until: date | None = None
    reason: str = ""
    ticket: str = ""
    path: FieldPath = ROOT

    def holds(self, namespace: str, username: str, labels: Mapping[str, str], today: date) -> bool:
        """Return whether the object is excepted today."""
        if self.until is None or today > self.until:
            return False
        if self.namespaces and namespace not in self.namespaces:
            return False
        if self.users and username not in self.users:
            return False
        return self.claim_selector is None or self.claim_selector.matches(labels)


@dataclass(frozen=True, slots=True)
class ClaimPolicy:
    """A policy. `percent` is the share of namespaces in which its mode holds; in the others it only records.

    `generation` counts the changes of the spec (0 in files).
    """

    name: str
    match: PolicyMatch = field(default_factory=PolicyMatch)
    mode: PolicyMode = PolicyMode.DENY
    failure_policy: FailurePolicy = FailurePolicy.FAIL
    percent: int = 100
    param_kind: ParamKind | None = None
    param_ref: ParamRef | None = None
    match_conditions: tuple[NamedExpression, ...] = ()
    variables: tuple[NamedExpression, ...] = ()
    validations: tuple[Validation, ...] = ()
    audit_annotations: tuple[NamedExpression, ...] = ()
    defaults: tuple[PolicyDefault, ...] = ()
    exceptions: tuple[PolicyException, ...] = ()
    generation: int = 0
    flaws: tuple[Flaw, ...] = ()

    @property
    def rule(self) -> str:
        """The id under which its findings are told."""
        return f"policy/{self.name}"

    @property
    def misfits(self) -> tuple[Misfit, ...]:
        return tuple(Misfit(flaw.path, flaw.message) for flaw in self.flaws)

    def expressions(self) -> Iterable[Expression]:
        """Yield every expression in the order of the fields of VAP's documentation."""
        for named in (*self.match_conditions, *self.variables):
            yield named.expression
        for validation in self.validations:
            yield validation.expression
            if validation.message_expression is not None:
                yield validation.message_expression
        for annotation in self.audit_annotations:
            yield annotation.expression

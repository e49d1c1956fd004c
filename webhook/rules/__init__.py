"""The rules, in the tuples that each endpoint runs, and the one way to run them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from webhook.core.claims import Claim
from webhook.core.fieldpath import FieldPath
from webhook.core.finding import Finding, Severity, in_order, unjudged
from webhook.inventory.case import Case
from webhook.inventory.inventory import inventory_of
from webhook.inventory.pod_case import PodCase
from webhook.inventory.trying import with_tried_edits
from webhook.rules import (
    cel,
    class_drops_extended_resource,
    class_strands_claims,
    class_unguarded,
    config_driver_mismatch,
    config_gate_off,
    config_invalid_value,
    config_unknown_field,
    config_unknown_kind,
    constraint_unknown_attribute,
    constraint_unsatisfiable,
    field_dropped_by_server,
    invalid_field,
    mig_impossible_combination,
    mig_unknown_profile,
    not_judged,
    pod_mixed_stacks,
    pod_node_name,
    pod_shared_claim,
    pod_unknown_claim,
    pod_unknown_request,
    pod_unknown_template,
    pod_unused_claim,
    request_alternative_unreachable,
    request_capacity,
    request_capacity_exclusive,
    request_capacity_range,
    request_capacity_unknown,
    request_count,
    request_tainted,
    request_toleration_unknown,
    request_unknown_class,
    selector_always_true,
    selector_bad_literal,
    selector_may_fail,
    selector_nested_value,
    selector_never_true,
    selector_no_match,
    selector_unknown_attribute,
    selector_unknown_capacity,
    selector_unknown_domain,
    selector_unknown_value,
    selector_wrong_type,
    version_not_served,
)
from webhook.rules.merging import merged

Check = Callable[[Case], Iterator[Finding]]
PodCheck = Callable[[PodCase], Iterator[Finding]]

# What /mutate/claims refuses before the API server does, in our words.
COMPILING: tuple[Check, ...] = (cel.check,)
# What the API server is about to take away, or does not serve at all.
SERVER_TRUTH: tuple[Check, ...] = (field_dropped_by_server.check,)
VERSIONS: tuple[Check, ...] = (version_not_served.check,)
# What a change of a DeviceClass does to those who rely on it.
CLASS_CHANGES: tuple[Check, ...] = (class_drops_extended_resource.check, class_strands_claims.check)
# What the API server leaves unchecked, and needs no ledger.
SCHEMA: tuple[Check, ...] = (
    selector_unknown_domain.check,
    selector_unknown_attribute.check,
    selector_unknown_capacity.check,
    selector_nested_value.check,
    selector_bad_literal.check,
    selector_wrong_type.check,
    selector_unknown_value.check,
    selector_never_true.check,
    selector_always_true.check,
    selector_may_fail.check,
    selector_no_match.check,
    class_unguarded.check,
    request_capacity.check,
    request_unknown_class.check,
    request_capacity_range.check,
    request_capacity_exclusive.check,
    request_alternative_unreachable.check,
    request_toleration_unknown.check,
    request_tainted.check,
    request_count.check,
    mig_unknown_profile.check,
    mig_impossible_combination.check,
    request_capacity_unknown.check,
    constraint_unknown_attribute.check,
    constraint_unsatisfiable.check,
    config_unknown_kind.check,
    config_unknown_field.check,
    config_invalid_value.check,
    config_driver_mismatch.check,
    config_gate_off.check,
    not_judged.check,
)
# What could not be read: the server leaves it to the API server, a command refuses it.
ON_SERVER: tuple[Check, ...] = (not_judged.wrong_types,)
OFFLINE: tuple[Check, ...] = (invalid_field.check,)
# What is judged of the subject alone; the others wait until it is known what devices publish.
_WITHOUT_INVENTORY = frozenset({*COMPILING, *SERVER_TRUTH, *VERSIONS, *ON_SERVER, *OFFLINE})
# How the containers of pods, their claims and templates fit together.
PODS: tuple[PodCheck, ...] = (
    pod_unknown_template.check,
    pod_unknown_claim.check,
    pod_unknown_request.check,
    pod_unused_claim.check,
    pod_shared_claim.check,
    pod_node_name.check,
    pod_mixed_stacks.check,
)
# Not to be lowered below warn on the server (contract 4, marked *).
GUARDED = frozenset({"quota-exceeded", "quota-unbounded"})
# At most warn in a DeviceClass at admission: a driver's chart installs its class before its slices (contract 4).
ABOUT_NAMES = frozenset({selector_unknown_domain.NAME, selector_unknown_attribute.NAME, selector_unknown_capacity.NAME})
SYSTEM_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease"})


@dataclass(frozen=True, slots=True)
class Severities:
    """Severities set by `--rule ID=deny|warn|info|off`; None is off."""

    by_rule: Mapping[str, Severity | None] = field(default_factory=dict)

    def may_deny(self, rule: str) -> bool:
        """Return whether a rule that denies by default still does."""
        return self.by_rule.get(rule, Severity.DENY) is Severity.DENY

    def applied(self, findings: Iterable[Finding], *, server: bool = True) -> Iterator[Finding]:
        for finding in findings:
            if finding.rule not in self.by_rule:
                yield finding
                continue
            wanted = self.by_rule[finding.rule]
            if server and finding.rule in GUARDED and wanted in (None, Severity.INFO):
                wanted = Severity.WARN
            if wanted is not None:
                yield replace(finding, severity=wanted)


@dataclass(frozen=True, slots=True)
class Rulebook:
    """Which severities are set, and which namespaces are left alone by the server itself (architecture 2)."""

    severities: Severities = field(default_factory=Severities)
    own_namespace: str = "drawbridge-system"

    def exempt(self, namespace: str) -> bool:
        return namespace in SYSTEM_NAMESPACES or (bool(namespace) and namespace == self.own_namespace)


def judged(case: Case, checks: Iterable[Check], *, mended: bool = False) -> tuple[Finding, ...]:
    """Return what the checks find, in the order of contract 7.6, fixes composed and tried.

    `mended` says that the case is one in which something was put right already; it is not looked at a third time.
    """
    listed = tuple(checks)
    if not inventory_of(case.view).is_surveyed(case.expired):
        listed = tuple(check for check in listed if check in _WITHOUT_INVENTORY)
    findings = [finding.settled() for finding in merged(finding for check in listed for finding in check(case))]
    if case.expired():
        path = case.subject.requests_path() if isinstance(case.subject, Claim) else FieldPath(("spec",))
        findings.append(unjudged(path, "time", "the time for this review was over before everything was judged"))
    again = None if mended else (lambda better: judged(better, listed, mended=True))
    return in_order(with_tried_edits(case, findings, again))


def judged_pod(case: PodCase) -> tuple[Finding, ...]:
    """Return what the rules find in a pod or in a workload's pods, in the order of contract 7.6."""
    findings = [finding for check in PODS for finding in check(case)]
    if case.expired():
        path = case.at.child("spec")
        findings.append(unjudged(path, "time", "the time for this review was over before everything was judged"))
    return in_order(findings)

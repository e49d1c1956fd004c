"""Allow or Deny: what is answered to one review."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from webhook.core.finding import Finding, Severity, in_order
from webhook.core.patch import Operation

NOTHING_MORE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Allow:
    """Admitted; findings below deny become warnings. `patch` is for mutating endpoints alone."""

    findings: tuple[Finding, ...] = ()
    patch: tuple[Operation, ...] = ()
    audit: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deny:
    """Refused; at least one finding is a denial."""

    findings: tuple[Finding, ...]
    audit: Mapping[str, str] = field(default_factory=dict)


Decision = Allow | Deny


def decided(
    findings: Iterable[Finding], *, patch: tuple[Operation, ...] = (), audit: Mapping[str, str] = NOTHING_MORE
) -> Decision:
    """Return Deny where a finding is a denial, else Allow; findings come in the order of contract 7.6."""
    ordered = in_order(findings)
    if any(finding.severity is Severity.DENY for finding in ordered):
        return Deny(ordered, audit)
    return Allow(ordered, patch, audit)

"""quota-unbounded: a capacity limit applies, and what the claim would take of it cannot be known (contract 5.3)."""

from collections.abc import Iterable, Iterator

from webhook.core.finding import Finding, Fix, Reason
from webhook.core.quotas import DeviceQuota, Limit
from webhook.quota.charge import Basis, Part, QuotaCharge
from webhook.quota.wording import SEVERITY, place_of

NAME = "quota-unbounded"


def findings(charges: Iterable[QuotaCharge]) -> Iterator[Finding]:
    """Yield each request whose charge on a limit nothing bounds, as severe as the quota's mode."""
    for charged in charges:
        for on_limit in charged.limits:
            for part in on_limit.unbounded:
                yield _finding(charged.quota, on_limit.limit, part)


def _finding(quota: DeviceQuota, limit: Limit, part: Part) -> Finding:
    name = limit.capacity
    if part.each.basis is Basis.UNKNOWN:
        why = f"no known device could serve the request, and it asks for no amount of `{name}`"
    else:
        why = f"a share of no `{name}` may use all of it"
    return Finding(
        rule=NAME,
        severity=SEVERITY[quota.mode],
        path=part.path,
        message=f"what this takes of '{limit.name}' {place_of(quota)} cannot be known",
        why=why,
        fixes=(Fix(f"ask for an amount of `{name}` above 0 in `capacity.requests`"),),
        reason=Reason.FORBIDDEN,
        permitted=False,
    )

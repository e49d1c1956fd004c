"""request-tainted: every device that matches carries a taint that the request does not tolerate."""

from collections import Counter
from collections.abc import Iterator

from webhook.core.claims import Alternative
from webhook.core.device import Taint
from webhook.core.finding import Finding, Fix, Severity
from webhook.inventory.case import Case
from webhook.inventory.offers import able
from webhook.inventory.taints import are_judged, hindering, meant, written

NAME = "request-tainted"
_MOST_SHOWN = 3


def check(case: Case) -> Iterator[Finding]:
    if not are_judged(case):
        return
    for alternative in case.alternatives():
        if alternative.admin_access:
            continue
        taints = _on_every_device(case, alternative)
        if taints and not any(meant(entry, taints) for entry in alternative.tolerations):
            yield _finding(alternative, taints)


def _on_every_device(case: Case, alternative: Alternative) -> Counter[Taint]:
    """Return the taints that hinder, with how many devices have each; none where some device is free of them."""
    found: Counter[Taint] = Counter()
    for device, count in able(case, alternative).devices(case.expired):
        taints = hindering(device, alternative)
        if not taints:
            return Counter()
        found.update(dict.fromkeys(taints, count))
    return Counter() if case.expired() else found


def _finding(alternative: Alternative, taints: Counter[Taint]) -> Finding:
    ranked = sorted(taints, key=lambda taint: (-taints[taint], written(taint)))
    shown = ", ".join(f"'{written(taint)}'" for taint in ranked[:_MOST_SHOWN])
    more = f" and {len(ranked) - _MOST_SHOWN} more" if len(ranked) > _MOST_SHOWN else ""
    key, effect = ranked[0].key, ranked[0].effect
    return Finding(
        rule=NAME,
        severity=Severity.WARN,
        path=alternative.path,
        message=f"every match has a taint that is not tolerated: {shown}{more}",
        fixes=(
            Fix("wait until the taints are lifted, or ask for other devices"),
            Fix(f"if such a device will do: tolerations: [{{key: {key}, operator: Exists, effect: {effect}}}]"),
        ),
    )

"""quota-will-wait: a claim made from a template would be refused by a quota now, and its pod would wait."""

from collections.abc import Iterable, Iterator, Sequence

from webhook.core.fieldpath import FieldPath
from webhook.core.finding import Finding, Fix, Reason, Severity
from webhook.core.quota_status import written
from webhook.core.quotas import QuotaMode
from webhook.quota.charge import QuotaCharge
from webhook.quota.ledger import Standing
from webhook.quota.pods import PodCharge
from webhook.quota.wording import numbers, place_of, reasons

NAME = "quota-will-wait"

_SEE = Fix("see what a claim would be charged with `drawbridge quota --claim FILE`")
_FOR_PODS = Fix("run fewer pods, have them ask for less, or have the limit raised")


def findings(refused: Iterable[tuple[QuotaCharge, Sequence[Standing]]], devices_path: FieldPath) -> Iterator[Finding]:
    """Yield a warning for each limit of a quota that denies which one claim of the template would not fit under."""
    for charged, standings in refused:
        for standing in standings:
            on_limit = next((one for one in charged.limits if one.limit.name == standing.limit.name), None)
            if standing.fits or on_limit is None or charged.quota.mode is not QuotaMode.DENY:
                continue
            largest = on_limit.largest
            message = f"a claim would wait: '{standing.limit.name}' {numbers(standing)}"
            yield _finding(largest.path if largest else devices_path, message, reasons(charged.quota, on_limit))


def unbounded(charges: Iterable[QuotaCharge]) -> Iterator[Finding]:
    """Yield a warning for each request whose charge nothing bounds: its claims would be refused."""
    for charged in charges:
        for on_limit in charged.limits:
            for part in on_limit.unbounded if charged.quota.mode is QuotaMode.DENY else ():
                message = f"a claim would be refused: what it takes of '{on_limit.limit.name}' cannot be known"
                yield _finding(part.path, message, reasons(charged.quota, None))


def of_pods(refused: Iterable[tuple[PodCharge, Sequence[Standing]]]) -> Iterator[Finding]:
    """Yield a warning for each limit of a quota that denies which not all claims of the pods would fit under."""
    for charged, standings in refused:
        for standing in standings:
            if standing.fits or charged.quota.mode is not QuotaMode.DENY:
                continue
            each = charged.of_one(standing.limit.name)
            why = f"quota '{charged.quota.name}' {place_of(charged.quota)}"
            if charged.pods > 1:
                room = max(0, int((standing.hard - standing.used) / each)) if each else 0
                taken = written(each, standing.limit.hard)
                why += f": each of {charged.pods} pods takes {taken}, and {room} more would fit now"
            who = "pods would wait" if charged.pods > 1 else "the pod would wait"
            message = f"{who}: '{standing.limit.name}' {numbers(standing)}"
            yield _finding(charged.largest(standing.limit.name), message, why, _FOR_PODS)


def unbounded_of_pods(charges: Iterable[PodCharge]) -> Iterator[Finding]:
    """Yield a warning for each claim of the pods whose charge nothing bounds: it would be refused."""
    for charged in charges:
        for path, limit in charged.unbounded() if charged.quota.mode is QuotaMode.DENY else ():
            message = f"a claim would be refused: what it takes of '{limit}' cannot be known"
            yield _finding(path, message, f"quota '{charged.quota.name}' {place_of(charged.quota)}")


def _finding(path: FieldPath, message: str, why: str, fix: Fix = _SEE) -> Finding:
    return Finding(
        rule=NAME,
        severity=Severity.WARN,
        path=path,
        message=message,
        why=why,
        fixes=(fix,),
        reason=Reason.FORBIDDEN,
        permitted=False,
    )

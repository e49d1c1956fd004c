"""quota-will-wait: a claim made from a template would be refused by a quota now, and its pod would wait."""

from collections.abc import Iterable, Iterator, Sequence

from webhook.core.fieldpath import FieldPath
from webhook.core.finding import Finding, Fix, Reason, Severity
from webhook.core.quotas import QuotaMode
from webhook.quota.charge import QuotaCharge
from webhook.quota.ledger import Standing
from webhook.quota.wording import numbers, reasons

NAME = "quota-will-wait"


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


def _finding(path: FieldPath, message: str, why: str) -> Finding:
    return Finding(
        rule=NAME,
        severity=Severity.WARN,
        path=path,
        message=message,
        why=why,
        fixes=(Fix("see what a claim would be charged with `drawbridge quota --claim FILE`"),),
        reason=Reason.FORBIDDEN,
        permitted=False,
    )

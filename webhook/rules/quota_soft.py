"""quota-soft: the claim is admitted, and brings a limit past its `warnAt`, or over a quota that only warns."""

from collections.abc import Iterator, Sequence

from webhook.core.fieldpath import FieldPath
from webhook.core.finding import Finding, Fix, Reason, Severity
from webhook.core.quota_status import written
from webhook.core.quotas import QuotaMode
from webhook.quota.charge import QuotaCharge
from webhook.quota.ledger import Standing
from webhook.quota.wording import numbers, reasons

NAME = "quota-soft"


def findings(charged: QuotaCharge, standings: Sequence[Standing], devices_path: FieldPath) -> Iterator[Finding]:
    """Yield a warning for each such limit of one quota that has admitted the claim; Audit only records."""
    quota = charged.quota
    for standing in standings:
        if standing.fits and not standing.passes(quota.warn_at):
            continue
        on_limit = next((one for one in charged.limits if one.limit.name == standing.limit.name), None)
        largest = on_limit.largest if on_limit else None
        yield Finding(
            rule=NAME,
            severity=Severity.INFO if quota.mode is QuotaMode.AUDIT else Severity.WARN,
            path=largest.path if largest else devices_path,
            message=_nearly(standing) if standing.fits else f"over quota '{standing.limit.name}': {numbers(standing)}",
            why=reasons(quota, on_limit),
            fixes=(Fix("delete claims that are not needed any more, or have the limit raised"),),
            reason=Reason.FORBIDDEN,
            permitted=False,
        )


def _nearly(standing: Standing) -> str:
    after = standing.used + standing.requested
    percent = int(after * 100 / standing.hard) if standing.hard else 100
    used = f"{written(after, standing.limit.hard)} of {standing.limit.hard}"
    return f"{percent} percent of quota '{standing.limit.name}' is used with this: {used}"

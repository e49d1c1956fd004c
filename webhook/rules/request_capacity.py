"""request-capacity-negative, request-capacity-ambiguous: amounts that can never be charged (contract 5.3)."""

from collections.abc import Iterator

from webhook.core.claims import Alternative
from webhook.core.finding import Edit, Finding, Fix, Severity
from webhook.core.quantity import parse_quantity
from webhook.inventory.case import Case
from webhook.inventory.names import drivers_of

NEGATIVE = "request-capacity-negative"
AMBIGUOUS = "request-capacity-ambiguous"
_ZERO = parse_quantity("0")


def check(case: Case) -> Iterator[Finding]:
    for alternative in case.alternatives():
        if case.expired():
            return
        yield from _negative(alternative)
        yield from _ambiguous(case, alternative)


def _negative(alternative: Alternative) -> Iterator[Finding]:
    for asked in alternative.capacity:
        if asked.quantity < _ZERO:
            yield Finding(
                rule=NEGATIVE,
                severity=Severity.DENY,
                path=asked.path,
                message=f"capacity `{asked.name}` must be greater than or equal to 0, not '{asked.quantity}'",
                why="a negative amount would give capacity back to others that nobody has",
                fixes=(Fix(f"ask for the amount of `{asked.name}` that each device must give"),),
            )


def _ambiguous(case: Case, alternative: Alternative) -> Iterator[Finding]:
    """Yield each driver-qualified name that stands beside its bare one: they are one capacity.

    Where the drivers that the class accepts are known, only their names qualify a bare one.
    """
    bare = {asked.name for asked in alternative.capacity if "/" not in asked.name}
    twice = [asked for asked in alternative.capacity if "/" in asked.name and asked.name.partition("/")[2] in bare]
    drivers = drivers_of(case.view, alternative, case.expired) if twice else None
    for asked in twice:
        domain, _, name = asked.name.partition("/")
        if drivers is None or domain in drivers:
            yield Finding(
                rule=AMBIGUOUS,
                severity=Severity.DENY,
                path=asked.path,
                message=f"capacity `{name}` must not be asked for twice, as `{name}` and as `{asked.name}`",
                why="a bare name and the name with the driver's domain are the same capacity",
                fixes=(Fix(f"keep only `{name}`", edits=(Edit(asked.path, None),)),),
            )

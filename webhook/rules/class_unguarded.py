"""class-unguarded: a selector of a class ends in an error on devices that are not of the class."""

from collections.abc import Iterator

from webhook.core.devices import DeviceClass
from webhook.core.finding import Finding, Severity
from webhook.inventory.case import Case
from webhook.inventory.failing import Failure, failure_of, failure_on_strangers, guards
from webhook.inventory.unguarded import WHY, fallback, place_of, said

NAME = "class-unguarded"


def check(case: Case) -> Iterator[Finding]:
    if not isinstance(case.subject, DeviceClass):
        return
    for selector, _, ast in case.trees():
        before = case.subject.selectors[: case.subject.selectors.index(selector)]
        failure = failure_of(case, before, selector, ast) or failure_on_strangers(case, before, selector, ast)
        if failure is not None:
            yield _finding(case, failure)


def _finding(case: Case, failure: Failure) -> Finding:
    where = (
        "on every device of another driver"
        if failure.strangers
        else f"on {len(failure.failing)} of {len(failure.met)} devices"
    )
    return Finding(
        rule=NAME,
        severity=Severity.WARN,
        path=failure.selector.path,
        message=f"ends in an error {where}: {said(failure)}",
        fixes=tuple(guards(case, failure)) or (fallback(failure),),
        source=failure.selector.expression,
        span=place_of(failure),
        why=WHY,
    )

"""class-unguarded: a selector of a class ends in an error on devices that are not of the class."""

from collections.abc import Iterator, Sequence

from webhook.cel.syntax import Ast
from webhook.core.claims import Selector
from webhook.core.devices import DeviceClass
from webhook.core.finding import Finding, Severity
from webhook.inventory.case import Case
from webhook.inventory.failing import Failure, documented_failure, failure_of, failure_on_strangers, guards
from webhook.inventory.unguarded import WHY, fallback, place_of, said, without

NAME = "class-unguarded"


def check(case: Case) -> Iterator[Finding]:
    if not isinstance(case.subject, DeviceClass):
        return
    for selector, _, ast in case.trees():
        before = case.subject.selectors[: case.subject.selectors.index(selector)]
        failure = _failure(case, before, selector, ast)
        if failure is not None:
            yield _finding(case, failure)


def _failure(case: Case, before: Sequence[Selector], selector: Selector, ast: Ast) -> Failure | None:
    """Return how it fails: on devices that are there, on those of other drivers, on others that the catalogue knows."""
    return (
        failure_of(case, before, selector, ast)
        or failure_on_strangers(case, before, selector, ast)
        or documented_failure(case, before, selector, ast)
    )


def _where(failure: Failure) -> str:
    if failure.lack is not None:
        return f"{'on every device that it could accept: ' if failure.everywhere else ''}{without(failure.lack)}"
    if failure.strangers:
        return f"on every device of another driver: {said(failure)}"
    return f"on {len(failure.failing)} of {len(failure.met)} devices: {said(failure)}"


def _finding(case: Case, failure: Failure) -> Finding:
    return Finding(
        rule=NAME,
        severity=Severity.WARN,
        path=failure.selector.path,
        message=f"ends in an error {_where(failure)}",
        fixes=tuple(guards(case, failure)) or (fallback(failure),),
        source=failure.selector.expression,
        span=place_of(failure),
        why=WHY,
    )

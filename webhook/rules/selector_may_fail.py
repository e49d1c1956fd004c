"""selector-may-fail: a selector ends in an error on devices of its class, which stops the pod on their nodes."""

from collections.abc import Iterator
from functools import partial

from webhook.core.claims import Alternative
from webhook.core.finding import Edit, Finding, Fix, Severity
from webhook.inventory.case import Case
from webhook.inventory.failing import Failure, documented_failure, failure_of, guards, is_disputed, may_succeed
from webhook.inventory.inventory import inventory_of
from webhook.inventory.matching import accepting
from webhook.inventory.unguarded import WHY, fallback, place_of, said, without

NAME = "selector-may-fail"


def check(case: Case) -> Iterator[Finding]:
    for selector, alternative, ast in case.trees():
        device_class = None if alternative is None else case.view.device_classes.get(alternative.device_class_name)
        if alternative is None or device_class is None:
            continue
        own = alternative.selectors[: alternative.selectors.index(selector)]
        before = (*device_class.selectors, *own)
        failure = failure_of(case, before, selector, ast) or documented_failure(case, before, selector, ast)
        if failure is not None:
            yield _finding(case, failure, alternative)


def _finding(case: Case, failure: Failure, alternative: Alternative) -> Finding:
    certain = failure.everywhere and not may_succeed(case, failure)
    fixes = tuple(_other_classes(case, failure, alternative) if failure.everywhere else guards(case, failure))
    return Finding(
        rule=NAME,
        severity=Severity.DENY if certain else Severity.WARN,
        path=failure.selector.path,
        message=f"ends in an error {_where(failure, alternative.device_class_name)}",
        fixes=fixes or (fallback(failure),),
        source=failure.selector.expression,
        span=place_of(failure),
        why=WHY,
        opposed=partial(is_disputed, inventory_of(case.view), failure),
    )


def _where(failure: Failure, device_class: str) -> str:
    if failure.lack is not None and not failure.everywhere:
        return without(failure.lack)
    told = said(failure) if failure.lack is None else without(failure.lack)
    which = "on every device" if failure.everywhere else f"on {len(failure.failing)} of {len(failure.met)} devices"
    return f"{which} of class '{device_class}': {told}"


def _other_classes(case: Case, failure: Failure, alternative: Alternative) -> Iterator[Fix]:
    """Yield the classes of which some devices match the request and none fails: its own has none that could match."""
    for name, device_class in sorted(case.view.device_classes.items()):
        selectors = (*device_class.selectors, *alternative.selectors)
        before = selectors[: selectors.index(failure.selector)]
        matches = accepting(case.view, inventory_of(case.view), selectors, case.expired)
        if matches and failure_of(case, before, failure.selector, failure.ast) is None:
            edit = Edit(alternative.path.child("deviceClassName"), name)
            yield Fix(f"ask for class '{name}', whose devices match", edits=(edit,))
    if failure.missing:
        yield Fix(f"ask for what the devices of the class have: none has `{failure.missing[0].name}`")

"""selector-no-match: the class has devices, and none of them matches the request's selectors now."""

from collections.abc import Iterator

from webhook.core.claims import Alternative, Claim, DeviceRequest, Selector
from webhook.core.finding import Finding, Fix, Severity, Span
from webhook.inventory.case import Case
from webhook.inventory.changes import Change, smallest_changes
from webhook.inventory.failing import failure_of
from webhook.inventory.funnel import Funnel, Stage, funnel_of
from webhook.inventory.offers import accepted

NAME = "selector-no-match"
_LOOK = Fix("see what the devices have with `drawbridge explain`, and ask for that")


def check(case: Case) -> Iterator[Finding]:
    if not case.view.given or not isinstance(case.subject, Claim):
        return
    for device_request in case.subject.requests:
        yield from _of_request(case, device_request)


def _of_request(case: Case, device_request: DeviceRequest) -> Iterator[Finding]:
    """Yield what is found for each alternative, unless one of them matches: then the others are portable style."""
    found = [accepted(case, alternative) for alternative in device_request.alternatives]
    if any(found) or None in found:
        return
    for alternative in device_request.alternatives:
        funnel = None if _fails_everywhere(case, alternative) else funnel_of(case, alternative)
        if funnel is not None and funnel.of_class and alternative.selectors and not funnel.problem:
            yield _finding(case, alternative, funnel)


def _fails_everywhere(case: Case, alternative: Alternative) -> bool:
    """Return whether a selector ends in an error on every device that it meets: selector-may-fail says so."""
    device_class = case.view.device_classes[alternative.device_class_name]
    before = list(device_class.selectors)
    for selector, of, ast in case.trees():
        if of is alternative:
            failure = failure_of(case, before, selector, ast)
            if failure is not None and failure.everywhere:
                return True
            before.append(selector)
    return False


def _finding(case: Case, alternative: Alternative, funnel: Funnel) -> Finding:
    changes = smallest_changes(case, funnel)
    selector, span = _place(alternative, funnel, changes)
    near = funnel.nearest[0] if funnel.nearest else None
    nearest = f"; '{near.device.rpartition('/')[2]}' has {near.value}" if near and near.value else ""
    return Finding(
        rule=NAME,
        severity=Severity.WARN,
        path=selector.path,
        message=f"none of {funnel.of_class} devices of class '{alternative.device_class_name}' matches{nearest}",
        fixes=tuple(_fix(change, selector) for change in changes) or (_LOOK,),
        source=selector.expression,
        span=span,
        why=f"of these devices are left: {', '.join(map(_told, _own(funnel)))}",
    )


def _place(alternative: Alternative, funnel: Funnel, changes: tuple[Change, ...]) -> tuple[Selector, Span]:
    """Return the clause that is best changed, else the one after which nothing is left."""
    if changes:
        clause = changes[0].clauses[0]
        return clause.selector, clause.span
    for stage in funnel.stages:
        if stage.clause is not None and not stage.left:
            return stage.clause.selector, stage.clause.span
    selector = alternative.selectors[-1]
    return selector, Span(0, len(selector.expression))


def _fix(change: Change, selector: Selector) -> Fix:
    """Return the change as replacements where it is one of the finding's own selector, so that it composes."""
    (changed, replacements), *more = change.replacements
    if not more and replacements is not None and changed.path == selector.path:
        return Fix(change.message, replacements=replacements)
    return change.fix()


def _own(funnel: Funnel) -> Iterator[Stage]:
    """Yield the stages of the request's own clauses up to the one after which nothing is left."""
    for stage in funnel.stages:
        if stage.clause is not None:
            yield stage
            if not stage.left:
                return


def _told(stage: Stage) -> str:
    return f"{stage.left} after {stage.expression}"

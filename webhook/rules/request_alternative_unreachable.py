"""request-alternative-unreachable: an alternative of `firstAvailable` that an earlier one always forestalls.

The scheduler takes the first alternative that it can serve on a node. Where every device that a later one accepts suits
an earlier one too, which asks no more of it and of no more devices, the later one is never taken.
"""

from collections.abc import Iterator
from typing import Any

from webhook.cel.compile import Verdict
from webhook.cel.contradiction import Logic
from webhook.cel.syntax import Expr
from webhook.core.claims import AllocationMode, Alternative, Claim, Constraint, DeviceRequest
from webhook.core.fieldpath import FieldPath
from webhook.core.finding import Edit, Finding, Fix, Severity
from webhook.inventory.case import Case, compiled_new

NAME = "request-alternative-unreachable"
_MOST_ALTERNATIVES = 8
"""As many as `firstAvailable` may have (resource.k8s.io types); a longer list is refused by the API server."""


def check(case: Case) -> Iterator[Finding]:
    if not isinstance(case.subject, Claim):
        return
    for device_request in case.subject.requests:
        if not device_request.prioritized or len(device_request.alternatives) > _MOST_ALTERNATIVES:
            continue
        yield from _unreachable(case, device_request, case.subject.constraints)


def _unreachable(case: Case, device_request: DeviceRequest, constraints: tuple[Constraint, ...]) -> Iterator[Finding]:
    """Yield each alternative that an earlier one forestalls; one that constraints name apart is left alone.

    So is one with the name of an earlier one, which the API server refuses.
    """
    named = {name for constraint in constraints for name in constraint.requests}
    ways = device_request.alternatives
    pairs = []
    for position, later in enumerate(ways):
        for earlier in ways[:position]:
            if case.expired():
                return
            if earlier.name == later.name or {earlier.name, later.name} & named:
                continue
            if _forestalls(case, earlier, later):
                pairs.append((earlier, later))
                break
    for earlier, later in pairs:
        yield Finding(
            rule=NAME,
            severity=Severity.WARN,
            path=later.path,
            message=f"never taken: '{earlier.name}' before it suits as well",
            fixes=(_fix(case, earlier, later, alone=len(pairs) == 1),),
        )


def _fix(case: Case, earlier: Alternative, later: Alternative, *, alone: bool) -> Fix:
    """Return how both can be taken; of two that are the same to the scheduler, the later one may go."""
    if _forestalls(case, later, earlier):
        return Fix(f"leave '{later.name}' out", edits=(Edit(later.path, None),))
    return Fix(f"put '{later.name}' before '{earlier.name}'", edits=_swapped(case, earlier, later) if alone else ())


def _swapped(case: Case, earlier: Alternative, later: Alternative) -> tuple[Edit, ...]:
    """Return the edit that moves the later alternative before the earlier one."""
    listed: Any = case.raw
    for step in later.path.steps[:-1]:
        match step, listed:
            case (int(), list()):
                listed = listed[step]
            case (str(), dict()):
                listed = listed.get(step)
            case _:
                return ()
    if not isinstance(listed, list):
        return ()
    first, last = earlier.path.steps[-1], later.path.steps[-1]
    assert isinstance(first, int)
    assert isinstance(last, int)
    moved = [*listed[:first], listed[last], *listed[first:last], *listed[last + 1 :]]
    return (Edit(FieldPath(later.path.steps[:-1]), moved),)


def _forestalls(case: Case, earlier: Alternative, later: Alternative) -> bool:
    """Return whether the earlier alternative can be served wherever the later one can."""
    fits = earlier.mode is later.mode and (
        earlier.count <= later.count if earlier.mode is AllocationMode.EXACT_COUNT else _is_same(earlier, later)
    )
    return fits and _asks_no_more(earlier, later) and _accepts_as_much(case, earlier, later)


def _is_same(earlier: Alternative, later: Alternative) -> bool:
    """Return whether both mean the same devices: to take all of more of them may fail where all of fewer succeeds."""
    texts = [[selector.expression for selector in way.selectors] for way in (earlier, later)]
    same = texts[0] == texts[1] and earlier.device_class_name == later.device_class_name
    return same and earlier.mode is AllocationMode.ALL


def _asks_no_more(earlier: Alternative, later: Alternative) -> bool:
    asked = {entry.name: entry.quantity for entry in later.capacity}
    if {entry.name for entry in earlier.capacity} != asked.keys():
        return False  # what is not named is taken at its default, or whole
    modest = all(entry.quantity <= asked[entry.name] for entry in earlier.capacity)
    return modest and _tolerated(later) <= _tolerated(earlier)


def _tolerated(alternative: Alternative) -> set[tuple[str, ...]]:
    return {(entry.key, entry.operator, entry.value, entry.effect) for entry in alternative.tolerations}


def _accepts_as_much(case: Case, earlier: Alternative, later: Alternative) -> bool:
    """Return whether the earlier alternative accepts every device that the later one does, whatever devices exist."""
    before, after = _expressions(case, earlier), _expressions(case, later)
    if earlier.device_class_name != later.device_class_name and (before is None or after is None):
        return False
    given = {text: _root(case, text) for text in (*(after or ()), *(entry.expression for entry in later.selectors))}
    roots = {text: _root(case, text) for text in (*(before or ()), *(entry.expression for entry in earlier.selectors))}
    logic = Logic(case.view.server.version, frozenset(id(root) for root in (*given.values(), *roots.values()) if root))
    clauses = [root for root in given.values() if root is not None]
    return all(text in given or (root is not None and logic.follows(root, clauses)) for text, root in roots.items())


def _expressions(case: Case, alternative: Alternative) -> tuple[str, ...] | None:
    """Return the selectors of the alternative's class; None where it is not known."""
    device_class = case.view.device_classes.get(alternative.device_class_name)
    return None if device_class is None else tuple(entry.expression for entry in device_class.selectors)


def _root(case: Case, expression: str) -> Expr | None:
    compiled = compiled_new(expression, case.view.server)
    return compiled.ast.root if compiled.ast is not None and compiled.verdict is Verdict.OK else None

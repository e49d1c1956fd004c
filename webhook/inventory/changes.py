"""The smallest changes with which a request would match: another literal, else one clause less, each one tried."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from webhook.cel.compile import Verdict
from webhook.core.claims import Selector
from webhook.core.fieldpath import FieldPath
from webhook.core.finding import Edit, Fix, Replacement
from webhook.core.mending import replaced
from webhook.inventory.case import Case, compiled_new
from webhook.inventory.clauses import Clause, removal
from webhook.inventory.funnel import Funnel, Step, counted, together
from webhook.inventory.inventory import inventory_of
from webhook.inventory.loosening import other_literals
from webhook.inventory.matching import outcomes_of, stored_environment
from webhook.inventory.outcomes import in_all, numbers

_MOST: Final = 3
_MOST_TRIALS: Final = 40
_MOST_DEVICES: Final = 2_000
_LEAVE_OUT: Final = "leave out"


@dataclass(frozen=True, slots=True)
class Change:
    """Replacements in the request's selectors, None for one that is left out; with them `matched` devices match."""

    clauses: tuple[Clause, ...]
    replacements: tuple[tuple[Selector, tuple[Replacement, ...] | None], ...]
    message: str
    matched: int

    def fix(self) -> Fix:
        """Return the change with its edits."""
        edits = (
            Edit(path, text) if text is not None else Edit(path.parent().parent(), None)
            for path, text in self.texts().items()
        )
        return Fix(self.message, edits=tuple(edits))

    def texts(self) -> Mapping[FieldPath, str | None]:
        """Return the changed selectors by their paths; None for one that is left out."""
        return {
            selector.path: None if replacements is None else replaced(selector.expression, replacements)
            for selector, replacements in self.replacements
        }


@dataclass(frozen=True, slots=True)
class _Part:
    """Another text for one clause; without a replacement the whole selector goes."""

    clause: Clause
    replacement: Replacement | None
    said: str


def smallest_changes(case: Case, funnel: Funnel) -> tuple[Change, ...]:
    """Return at most three changes, best first, each of which lets at least one device through; none where it matches.

    One clause is changed where that is enough, else those that the nearest devices fail on.
    """
    if funnel.matched or funnel.problem or not funnel.of_class:
        return ()
    found: list[Change] = []
    for step in funnel.steps:
        if case.expired():
            return ()
        if step.clause is not None:
            found += _of_one(case, funnel, step)
    found.sort(key=lambda change: change.message.startswith(_LEAVE_OUT))
    return tuple(found[:_MOST]) or tuple(_of_several(case, funnel))


def _of_one(case: Case, funnel: Funnel, step: Step) -> Iterator[Change]:
    """Yield the best other literal of one clause, and its removal, where all else is met by some devices."""
    others = [other for other in funnel.steps if other is not step]
    meeting = together(others)
    assert step.clause is not None
    if not any(meeting):
        return
    for part in _parts(case, step.clause, meeting):
        change = _tried(case, funnel, (part,))
        if change is not None:
            yield change


def _parts(case: Case, clause: Clause, among: bytes) -> Iterator[_Part]:
    """Yield the first other literal with which the clause accepts some of the devices, then its removal."""
    inventory = inventory_of(case.view)
    devices = [inventory.devices[number] for number, _ in zip(numbers(among), range(_MOST_DEVICES), strict=False)]
    environment = stored_environment(case.view.server)
    start = clause.span.start
    for replacement, _ in zip(other_literals(clause, devices), range(_MOST_TRIALS), strict=False):
        shifted = Replacement(
            type(replacement.span)(replacement.span.start - start, replacement.span.end - start), replacement.text
        )
        text = replaced(clause.text, (shifted,))
        outcomes = None if text is None else outcomes_of(text, environment, inventory, case.expired)
        if outcomes is not None and any(in_all((outcomes.true(), among))):
            old = clause.selector.expression[replacement.span.start : replacement.span.end]
            yield _Part(clause, replacement, f"write {replacement.text} instead of {old}")
            break
    yield _Part(clause, removal(clause), f"{_LEAVE_OUT} `{clause.text}`")


def _of_several(case: Case, funnel: Funnel) -> Iterator[Change]:
    """Yield the one change of all clauses that the nearest devices fail on."""
    inventory = inventory_of(case.view)
    clauses = [step for step in funnel.steps if step.clause is not None]
    rest = [step for step in funnel.steps if step.clause is None]
    candidates = list(numbers(together(rest)))[:_MOST_DEVICES] if rest else []
    if not clauses or not candidates:
        return
    best = max(candidates, key=lambda number: sum(step.mask[number] for step in clauses))
    only = bytearray(len(inventory.devices))
    only[best] = 1
    parts = []
    for step in clauses:
        if step.mask[best] or step.clause is None:
            continue
        part = next(_parts(case, step.clause, bytes(only)), None)
        if part is None:
            return
        parts.append(part)
    change = _tried(case, funnel, parts)
    if change is not None:
        yield change


def _tried(case: Case, funnel: Funnel, parts: Sequence[_Part]) -> Change | None:
    """Return the change with the number of devices that match when it is made; None where none does."""
    by_selector: dict[FieldPath, tuple[Selector, list[Replacement | None]]] = {}
    for part in parts:
        selector = part.clause.selector
        by_selector.setdefault(selector.path, (selector, []))[1].append(part.replacement)
    change = Change(
        tuple(part.clause for part in parts),
        tuple((selector, _without_none(replacements)) for selector, replacements in by_selector.values()),
        "; ".join(part.said for part in parts),
        0,
    )
    matched = _matched(case, funnel, change.texts())
    if not matched:
        return None
    devices = "1 device matches" if matched == 1 else f"{matched} devices match"
    return Change(change.clauses, change.replacements, f"{change.message}: {devices}", matched)


def _without_none(replacements: Sequence[Replacement | None]) -> tuple[Replacement, ...] | None:
    """Return the replacements; None where one of them leaves out the whole selector."""
    found = tuple(replacement for replacement in replacements if replacement is not None)
    return found if len(found) == len(replacements) else None


def _matched(case: Case, funnel: Funnel, texts: Mapping[FieldPath, str | None]) -> int:
    """Return how many devices match with the selectors' new texts."""
    inventory = inventory_of(case.view)
    masks = [step.mask for step in funnel.steps if step.clause is None]
    for selector in funnel.alternative.selectors:
        text = texts.get(selector.path, selector.expression)
        mask = None if text is None else _mask(case, text)
        if text is not None and mask is None:
            return 0
        masks += [] if mask is None else [mask]
    return counted(inventory, in_all(masks))


def _mask(case: Case, text: str) -> bytes | None:
    if compiled_new(text, case.view.server).verdict is not Verdict.OK:
        return None
    found = outcomes_of(text, stored_environment(case.view.server), inventory_of(case.view), case.expired)
    return None if found is None else found.true()

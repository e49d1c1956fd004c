"""Selectors that accept no device whatever it publishes: contradictions within one, between those of a request, and
with its class. What another rule explains (a wrong type, a bad literal) is left to that rule.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from webhook.cel.comparisons import Comparison
from webhook.cel.compile import Verdict
from webhook.cel.contradiction import Logic
from webhook.cel.syntax import Ast, Expr
from webhook.core.cache import BoundedCache
from webhook.core.claims import Alternative, Selector
from webhook.core.cluster import ClusterView
from webhook.inventory.case import Case, compiled_new
from webhook.inventory.inventory import inventory_of
from webhook.inventory.knowledge import knowledge_of
from webhook.inventory.reading import reading_of
from webhook.inventory.second_opinion import accepted_by_referee, part_of, some_devices
from webhook.inventory.values import is_never, known_values

_MOST_CLAUSES: Final = 64
_MOST_FOUND: Final = 5
_MOST_KEPT: Final = 250_000  # characters of source
_LIVE: Final = 16
_WITNESSES: Final = 32


@dataclass(frozen=True, slots=True)
class Clause:
    """One part of a selector that && joins with others; `of_class` names the class whose selector it is."""

    node: Expr
    selector: Selector
    ast: Ast
    of_class: str = ""

    @property
    def text(self) -> str:
        return self.selector.expression[self.node.start : self.node.end]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Clauses of which no device satisfies all, none of them superfluous; the last is where it is told.

    `disputed`: the second CEL engine sees it otherwise.
    """

    alternative: Alternative | None
    clauses: tuple[Clause, ...]
    told_at: Clause
    disputed: bool


def contradictions(case: Case) -> Iterator[Contradiction]:
    """Yield those of a DeviceClass, or of each request of a claim together with its class."""
    groups: dict[int, tuple[Alternative | None, list[Clause]]] = {}
    for selector, alternative, ast in case.trees():
        _, own = groups.setdefault(id(alternative), (alternative, []))
        own += _judged_clauses(selector, ast, case.view)
    for alternative, own in groups.values():
        of_class = [] if alternative is None else _class_clauses(case.view, alternative.device_class_name)
        if not case.expired():
            yield from _of_group(case.view, alternative, [*own, *of_class])


def _class_clauses(view: ClusterView, name: str) -> list[Clause]:
    """Return the clauses of a class's selectors; none where the class is not known."""
    device_class = view.device_classes.get(name)
    found: list[Clause] = []
    for selector in device_class.selectors if device_class is not None else ():
        compiled = compiled_new(selector.expression, view.server)
        if compiled.ast is not None and compiled.verdict is Verdict.OK:
            found += _judged_clauses(selector, compiled.ast, view, name)
    return found


def _logic(view: ClusterView, wanted: Sequence[Clause]) -> Logic:
    return Logic(view.server.version, frozenset(id(clause.ast.root) for clause in wanted))


def _judged_clauses(selector: Selector, ast: Ast, view: ClusterView, of_class: str = "") -> list[Clause]:
    """Return the clauses of a selector but those that another finding explains."""
    reading = reading_of(ast, view.server)
    never = [comparison.asked[0].call for comparison in reading.comparisons if _is_never(comparison, view)]
    return [
        Clause(node, selector, ast, of_class)
        for node in reading.clauses
        if not any(node.start <= call.start and call.end <= node.end for call in never)
    ]


def _is_never(comparison: Comparison, view: ClusterView) -> bool:
    known = known_values(knowledge_of(view).domain(comparison.place.domain), comparison.place)
    return known is not None and is_never(comparison, known)


_FOUND: BoundedCache[tuple[str, ...], tuple[tuple[tuple[int, ...], bool], ...]] = BoundedCache(_MOST_KEPT)


def _of_group(view: ClusterView, alternative: Alternative | None, wanted: list[Clause]) -> Iterator[Contradiction]:
    if len(wanted) > _MOST_CLAUSES:
        return
    key = (view.server.version, *(_key(clause) for clause in wanted))
    weight = sum(map(len, key))
    for numbers, disputed in _FOUND.get(key, weight, lambda: tuple(_cores(view, wanted))):
        together = tuple(wanted[number] for number in numbers)
        told_at = [clause for clause in together if not clause.of_class][-1]
        yield Contradiction(alternative, together, told_at, disputed)


def _key(clause: Clause) -> str:
    return f"{clause.of_class}:{clause.node is clause.ast.root}:{clause.text}"


def _cores(view: ClusterView, wanted: Sequence[Clause]) -> Iterator[tuple[tuple[int, ...], bool]]:
    """Yield the numbers of clauses that contradict each other, and whether that is disputed.

    A class that contradicts itself is no fault of the claim's, and then tells nothing of it.
    """
    logic = _logic(view, wanted)
    left = list(range(len(wanted)))
    if not logic.can_hold(clause.node for clause in wanted if clause.of_class):
        left = [number for number in left if not wanted[number].of_class]
    for _ in range(_MOST_FOUND):
        if logic.can_hold(wanted[number].node for number in left):
            return
        core = _smallest(logic, wanted, left)
        own = [number for number in core if not wanted[number].of_class]
        yield tuple(core), _is_disputed(view, logic, [wanted[number] for number in core])
        left.remove(own[-1])


def _smallest(logic: Logic, wanted: Sequence[Clause], numbers: Sequence[int]) -> list[int]:
    """Return clauses that contradict each other, from which none can be taken; the first that do (QuickXplain).

    Clauses of a class are the last in the list, so that they are taken only where the claim's own do not suffice.
    """
    core: list[int] = []
    left = list(numbers)
    while logic.can_hold(wanted[number].node for number in core):
        low, high = 1, len(left)
        while low < high:
            middle = (low + high) // 2
            if logic.can_hold(wanted[number].node for number in (*core, *left[:middle])):
                low = middle + 1
            else:
                high = middle
        core.append(left[low - 1])
        left = left[: low - 1]
    return sorted(core)


def _is_disputed(view: ClusterView, logic: Logic, core: Sequence[Clause]) -> bool:
    """Return whether the second engine finds a device that satisfies every clause."""
    devices = chain(
        some_devices(inventory_of(view), _LIVE), logic.witnesses([clause.node for clause in core], _WITNESSES)
    )
    return accepted_by_referee([part_of(clause.ast, clause.node) for clause in core], devices)

"""Whether clauses can hold together on any device at all, and whether one holds on every device.

Exact where it speaks: what it does not understand it takes to be possible, and parts that read different places of the
device it takes to be independent, which can only make more possible.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from webhook.cel.demands import Alternatives, Demand, TooManyError, Wanted, alternatives, every_of, parts_of
from webhook.cel.device import CelDevice
from webhook.cel.evaluator import EvaluationError, Program, build
from webhook.cel.places import Place, places_in
from webhook.cel.samples import Constants, Sample, combined, constants_of, samples_of
from webhook.cel.syntax import NOT, Ast, Call, Expr
from webhook.cel.types import BOOL, Kind
from webhook.cel.values import LIMIT_PASSED, DefaultMap

_NO_DEVICE: Final = CelDevice("", DefaultMap(), DefaultMap(), False)
_MOST_SAMPLES: Final = 400


class _Part:
    """One part of a selector that has no logic of its own: what it reads, and what it comes to on a sample."""

    __slots__ = ("_expression", "_negated", "_program", "_version", "constants", "place", "understood")

    def __init__(self, expression: Expr, version: str, is_root: bool) -> None:
        places = places_in(expression)
        self.understood = places is not None and len(places) <= 1
        self.place: Place | None = next(iter(places), None) if places else None
        self.constants = constants_of(expression) if self.place is not None and self.understood else Constants(False)
        self._expression = expression
        self._version = version
        self._negated = not is_root and expression.type.kind != Kind.BOOL
        self._program: Program | None = None

    def outcome(self, device: CelDevice) -> bool | None:
        """True, false, or None for an error."""
        try:
            result = self._matches(device)
        except EvaluationError:
            return None
        return result is not self._negated

    def stops(self) -> bool:
        """Whether its evaluation may be given up as a whole on some value, which no `||` makes up for."""
        if not self.understood or self.place is None:
            return not self.understood
        samples = samples_of(self.place, [self.constants], self.constants.parts)
        return any(self._stops_on(sample.device) for sample in samples)

    def _stops_on(self, device: CelDevice) -> bool:
        try:
            self._matches(device)
        except EvaluationError as error:
            return str(error).startswith("internal error") or str(error) == LIMIT_PASSED
        return False

    def _matches(self, device: CelDevice) -> bool:
        if self._program is None:
            self._program = self._built()
        return self._program.matches(device)

    def _built(self) -> Program:
        root = self._expression
        if self._negated:  # what is no bool is an error inside of logic, though not always as the result
            at = (root.pos, root.start, root.end)
            root = Call(0, *at, NOT, (root,))
            root.type, root.overloads = BOOL, ("logical_not",)
        program = build(Ast(root, "", {}), self._version)
        assert isinstance(program, Program)
        return program


@dataclass(slots=True)
class Logic:
    """Answers about the clauses of some selectors; what it has computed of them it keeps.

    `roots` are the ids of the nodes that are whole selectors: a result is converted where an operand is not.
    """

    version: str
    roots: frozenset[int] = frozenset()
    _parts: dict[int, _Part] = field(default_factory=dict)
    _kept: list[Expr] = field(default_factory=list)
    _clauses: dict[int, Alternatives] = field(default_factory=dict)
    _places: dict[tuple[Place, frozenset[tuple[int, Wanted]]], bool] = field(default_factory=dict)

    def can_hold(self, clauses: Iterable[Expr]) -> bool:
        """Whether some device may exist on which every clause is true; true where that cannot be told."""
        try:
            found = every_of(map(self._ways, clauses))
        except TooManyError:
            return True
        return any(self._is_possible(demands) for demands in found)

    def always_holds(self, root: Expr) -> bool:
        """Whether the selector is true on every device; false where that cannot be told."""
        try:
            found = alternatives(root, Wanted.NOT_TRUE)
        except TooManyError:
            return False
        if any(self._is_possible(demands) for demands in found):
            return False
        return not any(self._part(part).stops() for part in parts_of(root))

    def follows(self, root: Expr, clauses: Iterable[Expr]) -> bool:
        """Whether the selector is true on every device on which all clauses are; false where that cannot be told."""
        try:
            found = every_of((*map(self._ways, clauses), self._possible(alternatives(root, Wanted.NOT_TRUE))))
        except TooManyError:
            return False
        return not any(self._is_possible(demands) for demands in found)

    def witnesses(self, clauses: Sequence[Expr], most: int) -> Iterator[CelDevice]:
        """Devices with values that the clauses tell apart, at most so many: on these a second opinion is asked."""
        by_place: dict[Place, list[_Part]] = {}
        for clause in clauses:
            for node in parts_of(clause):
                part = self._part(node)
                if part.place is not None and part.understood:
                    by_place.setdefault(part.place, []).append(part)
        sampled = []
        for place, parts in by_place.items():
            contained = [text for part in parts for text in part.constants.parts]
            sampled.append([one.device for one in samples_of(place, [part.constants for part in parts], contained)])
        for number in range(min(most, max(map(len, sampled), default=1))):
            yield combined([devices[number % len(devices)] for devices in sampled])

    def _ways(self, clause: Expr) -> Alternatives:
        """The ways in which a clause alone can be true."""
        found = self._clauses.get(id(clause))
        if found is None:
            found = self._clauses[id(clause)] = self._possible(alternatives(clause, Wanted.TRUE))
            self._kept.append(clause)
        return found

    def _possible(self, found: Alternatives) -> Alternatives:
        return tuple(demands for demands in found if self._is_possible(demands))

    def _is_possible(self, demands: Sequence[Demand]) -> bool:
        by_place: dict[Place | None, list[tuple[_Part, Wanted]]] = {}
        for demand in demands:
            part = self._part(demand.part)
            if part.understood:
                by_place.setdefault(part.place, []).append((part, demand.wanted))
        return all(
            _constants_possible(wanted) if place is None else self._has_value(place, wanted)
            for place, wanted in by_place.items()
        )

    def _has_value(self, place: Place, wanted: Sequence[tuple[_Part, Wanted]]) -> bool:
        key = (place, frozenset((id(part), want) for part, want in wanted))
        found = self._places.get(key)
        if found is None:
            found = self._places[key] = _place_possible(place, wanted)
        return found

    def _part(self, expression: Expr) -> _Part:
        part = self._parts.get(id(expression))
        if part is None:
            part = self._parts[id(expression)] = _Part(expression, self.version, id(expression) in self.roots)
            self._kept.append(expression)  # so that no other node can have its id
        return part


def _constants_possible(wanted: Iterable[tuple[_Part, Wanted]]) -> bool:
    return all(want.admits(part.outcome(_NO_DEVICE)) for part, want in wanted)


def _place_possible(place: Place, wanted: Sequence[tuple[_Part, Wanted]]) -> bool:
    """Whether the place can have a value, or none, with which every part ends as wanted."""
    constants = [part.constants for part, _ in wanted]
    contained = [text for part, want in wanted if want is Wanted.TRUE for text in part.constants.parts]
    mixed = any(one.texts_are_ordered for one in constants) and any(
        one.prefixes or one.suffixes or one.parts for one in constants
    )
    for number, sample in enumerate(samples_of(place, constants, contained)):
        if number == _MOST_SAMPLES or _fits(sample, wanted, mixed):
            return True
    return False


def _fits(sample: Sample, wanted: Sequence[tuple[_Part, Wanted]], mixed: bool) -> bool:
    """Whether every part that the sample decides ends as wanted; `mixed`: order is asked of strings, and parts too."""
    if mixed and sample.text and not sample.point:
        return True
    return all(
        want.admits(part.outcome(sample.device)) for part, want in wanted if sample.point or part.constants.understood
    )

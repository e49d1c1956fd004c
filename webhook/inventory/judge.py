"""Judges a selector on devices, on those that look alike to it once.

What a selector gives depends on what it reads of a device, and few devices differ in that: the result is remembered by
the device's make and the values read. A version that is none makes every selector fail on its device, so versions
count as read.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from webhook.cel.device import make_device
from webhook.cel.evaluator import BoundedProgram, EvaluationError, OutOfTimeError, Program
from webhook.cel.places import ATTRIBUTES, CAPACITY, places_in
from webhook.cel.syntax import Ast
from webhook.core.device import Device, Make, VersionText
from webhook.inventory.case import never
from webhook.inventory.outcomes import Outcome

_MOST_MAKES: Final = 1_000
_MOST_KNOWN: Final = 1_000
_AT_ONCE: Final = 64
_COSTLY: Final = 10_000
"""From this cost on a run takes a millisecond, and not microseconds."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What takes from the cells of a make those that count, and what the selector gave by these."""

    read: Callable[[tuple[object, ...]], object]
    known: dict[object, Outcome]


class Judge:
    """One compiled selector that costs at most so much, and what it gave on what it has seen."""

    def __init__(self, ast: Ast, program: Program | BoundedProgram, cost: int) -> None:
        self._program = program
        self.may_take_long = not isinstance(program, Program)
        self.at_once = 1 if self.may_take_long or cost >= _COSTLY else _AT_ONCE
        """How many devices are judged before the time is asked for again."""
        places = places_in(ast.root)
        # The attributes that it reads by their qualified names; None where it may read any.
        self._attributes = None if places is None else {f"{p.domain}/{p.name}" for p in places if p.field == ATTRIBUTES}
        self._reads_capacity = places is None or any(place.field == CAPACITY for place in places)
        self._seen: dict[Make, _Seen] = {}
        self._known: dict[object, dict[object, Outcome]] = {}
        self._count = 0

    def on(self, devices: Iterable[Device], expired: Callable[[], bool] = never) -> Iterator[Outcome]:
        """Yield for each device true, false, or the text of the error.

        Ends early where a run that may be long has made the time be over.
        """
        makes = self._seen
        for device in devices:
            seen = makes.get(device.make) or self._see(device.make)
            read = seen.read(device.cells)
            outcome = seen.known.get(read)
            if outcome is None:
                outcome = self._run(device, expired)
                if outcome is None:
                    return
                self._keep(seen.known, read, outcome)
            yield outcome

    def _keep(self, known: dict[object, Outcome], read: object, outcome: Outcome) -> None:
        self._count += 1
        if self._count > _MOST_KNOWN:
            self._forget()
        known[read] = outcome

    def _forget(self) -> None:
        self._count = 0
        self._known.clear()
        self._seen.clear()

    def _see(self, make: Make) -> _Seen:
        """Return what is known of a make; makes of which the selector reads the same know it together."""
        if len(self._seen) >= _MOST_MAKES:
            self._forget()
        layout, wanted = make.layout, self._attributes
        positions = [
            position
            for position, (name, kind) in enumerate(zip(layout.names, layout.types, strict=True))
            if wanted is None or name in wanted or VersionText in (kind if isinstance(kind, tuple) else (kind,))
        ]
        named = tuple((layout.names[position], layout.types[position]) for position in positions)
        amounts = _written(make) if self._reads_capacity else None
        known = self._known.setdefault((make.driver, make.allow_multiple_allocations, named, amounts), {})
        seen = self._seen[make] = _Seen(itemgetter(*positions) if positions else _nothing, known)
        return seen

    def _run(self, device: Device, expired: Callable[[], bool]) -> Outcome | None:
        capacity = {name: found.value for name, found in device.capacity.items()}
        shown = make_device(device.driver, device.attributes, capacity, device.allow_multiple_allocations)
        program = self._program
        try:
            return program.matches(shown) if isinstance(program, Program) else program.matches(shown, expired)
        except EvaluationError as error:
            return str(error)
        except OutOfTimeError:
            return None


def _nothing(_: tuple[object, ...]) -> None:
    """Take no cell: the selector reads no attribute."""


def _written(make: Make) -> object:
    """Return the capacities; amounts that are equal but held in other ways differ."""
    return tuple((name, q.value.key, q.value.format, q.value.held) for name, q in make.capacity.items())

"""Judges a selector on devices, on those that look alike to it once.

What a selector gives depends on what it reads of a device, and few devices differ in that: the result is remembered by
the values read. A version that is none makes every selector fail on its device, so versions count as read.
"""

from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import Final

from webhook.cel.device import make_device
from webhook.cel.evaluator import BoundedProgram, EvaluationError, Program
from webhook.cel.places import ATTRIBUTES, CAPACITY, places_in
from webhook.cel.syntax import Ast
from webhook.core.devices import Device, VersionText
from webhook.core.rows import Layout, Row, row_of
from webhook.inventory.outcomes import Outcome

_MOST_KNOWN: Final = 1_000
_MOST_LOOKS: Final = 2_000

Looks = dict[tuple[int, int, str, bool], Outcome]
"""What a selector gave by the identity of the parts that devices share."""


class Judge:
    """One compiled selector, and what it gave on what it has seen."""

    def __init__(self, ast: Ast, program: Program | BoundedProgram) -> None:
        self._program = program
        places = places_in(ast.root)
        # The attributes that it reads by their qualified names; None where it may read any.
        self._attributes = None if places is None else {f"{p.domain}/{p.name}" for p in places if p.field == ATTRIBUTES}
        self._reads_capacity = places is None or any(place.field == CAPACITY for place in places)
        self._positions: dict[Layout, Callable[[tuple[object, ...]], object]] = {}
        self._known: dict[object, Outcome] = {}

    def on(self, devices: Iterable[Device], looks: Looks) -> Iterator[Outcome]:
        """Yield for each device true, false, or the text of the error; `looks` serves while the devices are held."""
        if len(looks) > _MOST_LOOKS:  # these devices share little: looking costs more than it saves
            yield from map(self._by_values, devices)
            return
        for device in devices:
            look = (id(device.attributes), id(device.capacity), device.driver, device.allow_multiple_allocations)
            outcome = looks.get(look)
            if outcome is None:
                outcome = looks[look] = self._by_values(device)
            yield outcome

    def _by_values(self, device: Device) -> Outcome:
        attributes = device.attributes
        row = attributes if isinstance(attributes, Row) else row_of(attributes)
        layout = row.layout
        read = self._positions.get(layout)
        if read is None:
            read = self._positions[layout] = self._read(layout)
        amounts = _written(device) if self._reads_capacity else None
        key = (layout, device.driver, device.allow_multiple_allocations, read(row.cells), amounts)
        outcome = self._known.get(key)
        return self._keep(key, self._run(device)) if outcome is None else outcome

    def _keep(self, key: object, outcome: Outcome) -> Outcome:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
            self._positions.clear()
        self._known[key] = outcome
        return outcome

    def _read(self, layout: Layout) -> Callable[[tuple[object, ...]], object]:
        """Return what takes from a row's cells those that count."""
        wanted = self._attributes
        positions = [
            position
            for position, (name, kind) in enumerate(zip(layout.names, layout.types, strict=True))
            if wanted is None or name in wanted or VersionText in (kind if isinstance(kind, tuple) else (kind,))
        ]
        return itemgetter(*positions) if positions else _nothing

    def _run(self, device: Device) -> Outcome:
        capacity = {name: found.value for name, found in device.capacity.items()}
        shown = make_device(device.driver, device.attributes, capacity, device.allow_multiple_allocations)
        try:
            return self._program.matches(shown)
        except EvaluationError as error:
            return str(error)


def _nothing(_: tuple[object, ...]) -> None:
    """Take no cell: the selector reads no attribute."""


def _written(device: Device) -> object:
    """Return a device's capacities; amounts that are equal but held in other ways differ."""
    return tuple((name, q.value.key, q.value.format, q.value.held) for name, q in device.capacity.items())

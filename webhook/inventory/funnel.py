"""The funnel: how many devices are left of a request after each thing that it asks, and what would let some through."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import compress, count, islice
from typing import Final

from webhook.core.claims import AllocationMode, Alternative, Selector
from webhook.core.device import Device, Make
from webhook.core.devices import DeviceClass
from webhook.inventory.case import Case, in_time
from webhook.inventory.clauses import Clause, clauses_of, seen
from webhook.inventory.consumed import arithmetic_of, asked_of, can_serve
from webhook.inventory.inventory import Inventory, inventory_of
from webhook.inventory.matching import outcomes_of, stored_environment
from webhook.inventory.nodes import on_nodes
from webhook.inventory.offers import takes_capacity
from webhook.inventory.outcomes import in_all, numbers
from webhook.inventory.taints import are_judged, hindering, written

_MOST_NEAR: Final = 3
_MOST_LOOKED_AT: Final = 2_000
TAINTS: Final = "taints"
CAPACITY: Final = "capacity"
MOST_DEVICES: Final = 32
"""What a claim may get at the most (resource.k8s.io AllocationResultsMaxSize)."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a request asks of each device; `mask` has a byte a device, 1 where it is met."""

    label: str
    expression: str
    mask: bytes
    clause: Clause | None = None
    tell: Callable[[Device], str] = field(default=lambda _: "")


@dataclass(frozen=True, slots=True)
class Stage:
    """What is left after a step; `clause` is that of the request, if it is one."""

    label: str
    expression: str
    left: int
    clause: Clause | None = None


@dataclass(frozen=True, slots=True)
class Near:
    """A device that fails least: on what, and what it has there."""

    device: str
    failed: str
    value: str


@dataclass(frozen=True)
class Funnel:
    """The funnel of one alternative of a request.

    `devices` counts all that are published or planned; `matched` those that meet every step. `nodes` are those that
    reach matches, each with how many; the name is empty for nodes that are not known yet. `problem` says why the funnel
    ends early; it is the last stage then.
    """

    alternative: Alternative
    devices: int
    planned: int
    stages: tuple[Stage, ...]
    steps: tuple[Step, ...]
    of_class: int
    matched: int
    nearest: tuple[Near, ...] = ()
    nodes: tuple[tuple[str, int], ...] = ()
    problem: str = ""

    @property
    def wanted(self) -> int | None:
        return self.alternative.count if self.alternative.mode is AllocationMode.EXACT_COUNT else None

    @property
    def takes_all(self) -> bool:
        return self.alternative.mode is AllocationMode.ALL

    @property
    def enough(self) -> int:
        """How many devices one node must reach, at the least."""
        return self.wanted or 1

    def fits(self, reached: int) -> bool:
        """Return whether a node that reaches so many matches can serve the request."""
        return self.enough <= reached <= MOST_DEVICES if self.takes_all else reached >= self.enough


def funnel_of(case: Case, alternative: Alternative) -> Funnel | None:
    """Return the funnel of an alternative; None where the time was over."""
    inventory = inventory_of(case.view)
    everything = counted(inventory, b"\1" * len(inventory.devices))
    planned = sum(entry.count for entry in inventory.planned)
    device_class = case.view.device_classes.get(alternative.device_class_name)
    if device_class is None:
        problem = f"class '{alternative.device_class_name}' does not exist"
        return Funnel(alternative, everything, planned, (Stage(problem, "", 0),), (), 0, 0, problem=problem)
    steps: list[Step] = []
    for made in _steps(case, inventory, alternative, device_class):
        if case.expired():
            return None
        if isinstance(made, str):
            stages = (*_stages(inventory, steps), Stage(made, "", 0))
            return Funnel(alternative, everything, planned, stages, tuple(steps), 0, 0, problem=made)
        steps.append(made)
    own = len(device_class.selectors) or 1
    of_class = counted(inventory, together(steps[:own]))
    matching = together(steps)
    matched = counted(inventory, matching)
    nodes = tuple(_nodes(case, inventory, matching, _spoilt(alternative, steps)))
    planned_matches = counted(inventory, bytes(inventory.live) + matching[inventory.live :])
    stages = (*_stages(inventory, steps), _on_a_node(alternative, nodes, planned_matches))
    near = () if matched else tuple(_nearest(inventory, steps, own))
    return Funnel(alternative, everything, planned, stages, tuple(steps), of_class, matched, near, nodes)


def together(steps: Iterable[Step]) -> bytes:
    """Return one byte a device: 1 where it meets every step; there must be one."""
    return in_all(step.mask for step in steps)


def counted(inventory: Inventory, mask: bytes) -> int:
    """Return how many devices a mask has, those that are planned with their number."""
    live = inventory.live
    return mask.count(1, 0, live) + sum(
        entry.count for entry, met in zip(inventory.planned, mask[live:], strict=True) if met
    )


def _steps(
    case: Case, inventory: Inventory, alternative: Alternative, device_class: DeviceClass
) -> Iterator[Step | str]:
    """Yield what is asked of each device in the scheduler's order; a text where it cannot be told any further."""
    name = f"class {alternative.device_class_name}"
    if not device_class.selectors:
        yield Step(name, "", b"\1" * len(inventory.devices))
    for position, selector in enumerate(device_class.selectors):
        label = name if len(device_class.selectors) == 1 else f"{name}, selector {position}"
        yield _selector_step(case, inventory, label, selector) or f"selector {position} of {name} is not accepted"
    for position, selector in enumerate(alternative.selectors):
        clauses = clauses_of(selector, case.view.server)
        if clauses is None:
            yield f"selector {position} is not accepted by the API server"
            return
        for clause in clauses:
            step = _selector_step(case, inventory, f"selector {position}", Selector(clause.text, selector.path), clause)
            yield step or f"selector {position} cannot be judged"
    if alternative.capacity and takes_capacity(case):
        yield _capacity_step(case, inventory, alternative)
    if are_judged(case) and any(make.taints for make in inventory.makes):
        yield _taint_step(case, inventory, alternative)


def _selector_step(
    case: Case, inventory: Inventory, label: str, selector: Selector, clause: Clause | None = None
) -> Step | None:
    found = outcomes_of(selector.expression, stored_environment(case.view.server), inventory, case.expired)
    if found is None:
        return None
    clauses = (clause,) if clause else clauses_of(selector, case.view.server) or ()
    return Step(label, selector.expression, found.true(), clause, lambda device: ", ".join(_seen(clauses, device)))


def _seen(clauses: Iterable[Clause], device: Device) -> Iterator[str]:
    yield from dict.fromkeys(filter(None, (seen(clause, device) for clause in clauses)))


def _capacity_step(case: Case, inventory: Inventory, alternative: Alternative) -> Step:
    arithmetic = arithmetic_of(case.view.server)
    asked = ", ".join(f"{entry.name} {entry.quantity}" for entry in alternative.capacity)
    mask = _by_make(case, inventory, lambda device: can_serve(device, alternative, arithmetic))
    return Step(CAPACITY, asked, mask, tell=lambda device: _capacity_of(device, alternative))


def _capacity_of(device: Device, alternative: Alternative) -> str:
    asked = asked_of(alternative, device.driver)
    return ", ".join(
        f"`{name.rpartition('/')[2]}` {device.capacity[name].value}"
        if name in device.capacity
        else f"no `{name.rpartition('/')[2]}`"
        for name in asked
    )


def _by_make(case: Case, inventory: Inventory, met: Callable[[Device], bool]) -> bytes:
    """Return the mask of what is the same for all devices of a make; where the time is over the rest lacks it."""
    known: dict[Make, bool] = {}
    mask = bytearray()
    for device in in_time(case.expired, inventory.devices):
        if device.make not in known:
            known[device.make] = met(device)
        mask.append(known[device.make])
    return bytes(mask).ljust(len(inventory.devices), b"\0")


def _taint_step(case: Case, inventory: Inventory, alternative: Alternative) -> Step:
    mask = _by_make(case, inventory, lambda device: not hindering(device, alternative))
    return Step(TAINTS, "", mask, tell=lambda device: ", ".join(map(written, hindering(device, alternative))))


def _stages(inventory: Inventory, steps: Sequence[Step]) -> Iterator[Stage]:
    for position, step in enumerate(steps):
        left = counted(inventory, together(steps[: position + 1]))
        yield Stage(step.label, step.expression, left, step.clause)


def _spoilt(alternative: Alternative, steps: Sequence[Step]) -> bytes:
    """Return the devices that must be had and cannot: who asks for all gets none while one is tainted."""
    if alternative.mode is not AllocationMode.ALL or steps[-1].label != TAINTS:
        return bytes(len(steps[0].mask))
    chosen = together(steps[:-1]) if len(steps) > 1 else b"\1" * len(steps[0].mask)
    return bytes(met and not free for met, free in zip(chosen, steps[-1].mask, strict=True))


def _nodes(case: Case, inventory: Inventory, mask: bytes, spoilt: bytes) -> Iterator[tuple[str, int]]:
    """Yield the nodes that reach some of the devices and none that spoils it, and how many.

    Where all are of all nodes, every node that is known reaches them.
    """
    total: Counter[str] = Counter()
    kept = [(number, True) for number in numbers(mask)] + [(number, False) for number in numbers(spoilt)]
    for name, reached in on_nodes(case.view, inventory, kept):
        if reached[True] and not reached[False]:
            total[name] = max(total[name], reached[True])
    live = inventory.live
    everywhere = {wanted for n, wanted in kept if n < live and inventory.places[n].reach.all_nodes}
    if everywhere == {True}:
        count = sum(1 for n in numbers(mask) if n < live and inventory.places[n].reach.all_nodes)
        hindered = {inventory.places[n].reach.node_name for n in numbers(spoilt) if n < live}
        total |= Counter({name: count for name in case.view.nodes if name not in hindered})
        if case.view.nodes and total[""] == count:
            del total[""]
    yield from sorted(total.items())


def _on_a_node(alternative: Alternative, nodes: Sequence[tuple[str, int]], planned: int) -> Stage:
    """Return the stage of what one node must reach; `All` takes what there is, at least one and at most 32.

    The node to come stands for all those that the `planned` matches make up.
    """
    if alternative.mode is AllocationMode.ALL:
        label, least, most = "on a node that can give all it has", 1, MOST_DEVICES
    else:
        least, most = alternative.count or 1, sys.maxsize
        label = f"on a node with {least} {'device' if least == 1 else 'devices'}"
    fitting = ((name, count) for name, count in nodes if least <= count <= most)
    return Stage(label, "", sum(count if name else max(count, planned) for name, count in fitting))


def _nearest(inventory: Inventory, steps: Sequence[Step], own: int) -> Iterator[Near]:
    """Yield devices of the class that fail the fewest steps, at most three that differ in what they have there.

    Where the class has no device, those of all devices.
    """
    in_class = together(steps[:own])
    vectors = Counter(zip(*(step.mask for step in steps), strict=True))
    if any(in_class):
        vectors = Counter({vector: count for vector, count in vectors.items() if all(vector[:own])})
    if not vectors:
        return
    best = max(sum(vector) for vector in vectors)
    chosen = {vector for vector in vectors if sum(vector) == best}
    masks = [step.mask for step in steps]
    told: set[tuple[str, str]] = set()
    near = compress(count(), map(chosen.__contains__, zip(*masks, strict=True)))
    for number in islice(near, _MOST_LOOKED_AT):
        device = inventory.devices[number]
        failing = [step for step in steps if not step.mask[number]]
        failed = " && ".join(step.expression or step.label for step in failing)
        value = ", ".join(dict.fromkeys(filter(None, (step.tell(device) for step in failing))))
        if (failed, value) not in told:
            told.add((failed, value))
            yield Near(device_id(inventory, number), failed, value)
            if len(told) == _MOST_NEAR:
                return


def device_id(inventory: Inventory, number: int) -> str:
    """Return `driver/pool/name`; of a planned device the pool is empty."""
    device = inventory.devices[number]
    pool = inventory.places[number].pool if number < inventory.live else ""
    return f"{device.driver}/{pool}/{device.name}"

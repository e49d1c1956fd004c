"""Selectors that end in an error on devices that they meet.

The scheduler asks the selectors of the class, then those of the request, in order, and stops at the first that is
false. An error does not skip the device: it stops the pod on the node (dynamic-resource-allocation/structured,
selectorsMatch).
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from webhook.cel.device import CelDevice, make_device
from webhook.cel.inspect import Access, AccessKind, accesses
from webhook.cel.referee import referee
from webhook.cel.syntax import AND, CONDITIONAL, OR, Ast, Call, Expr
from webhook.core.claims import Selector
from webhook.core.cluster import ClusterView
from webhook.core.device import Device, device_of
from webhook.core.finding import Fix, Replacement, Span
from webhook.core.mending import replaced
from webhook.inventory.case import Case, compiled_new
from webhook.inventory.documented import Lack, lack_of
from webhook.inventory.inventory import Inventory, inventory_of
from webhook.inventory.knowledge import knowledge_of
from webhook.inventory.matching import accepting, outcome_on, outcomes_of, stored_environment
from webhook.inventory.outcomes import in_all, numbers
from webhook.inventory.schema import STANDARD_DOMAIN

_STRANGER: Final = device_of("", "another.example.com")
_MOST_ASKED: Final = 16
_NO_KEY: Final = "no such key: "


@dataclass(frozen=True, slots=True)
class Failure:
    """One selector and the devices on which it ends in an error, of those that it meets.

    `missing` are the readings that find nothing on one of them, first the `blamed` ones, which an error names; `error`
    is the text on the first. `strangers` is True where no known device fails, but any device of another driver would;
    `lack` tells why one fails that the catalogue knows, where none that is there does.
    """

    selector: Selector
    ast: Ast
    before: tuple[Selector, ...]
    met: tuple[int, ...]
    failing: tuple[int, ...]
    missing: tuple[Access, ...]
    error: str
    blamed: int = 0
    strangers: bool = False
    lack: Lack | None = None

    @property
    def everywhere(self) -> bool:
        if self.lack is not None:
            return self.lack.never
        return bool(self.failing) and len(self.failing) == len(self.met)


def failure_of(case: Case, before: Sequence[Selector], selector: Selector, ast: Ast) -> Failure | None:
    """Return how a selector fails on the known devices that the selectors before it accept; None where it does not.

    On a planned device it does not fail: a DeviceInventory need not state what tells one device from another.
    """
    inventory, environment = inventory_of(case.view), stored_environment(case.view.server)
    everything = b"\1" * len(inventory.devices)
    masks = [everything]
    for other in before:
        found = outcomes_of(other.expression, environment, inventory, case.expired)
        if found is None:
            return None
        masks.append(found.true())
    outcomes = outcomes_of(selector.expression, environment, inventory, case.expired)
    if outcomes is None or not outcomes.errors:
        return None
    failing = tuple(takewhile(inventory.live.__gt__, numbers(in_all((*masks, outcomes.failing())))))
    if not failing:
        return None
    asked = failing[:_MOST_ASKED]
    told = frozenset(str(outcomes.of(number)) for number in asked)
    missing, blamed = _missing(ast, (inventory.devices[number] for number in asked), told)
    not_failing = bytes(1 - error for error in outcomes.failing()[inventory.live :])
    met = tuple(numbers(in_all((*masks, everything[: inventory.live] + not_failing))))
    return Failure(selector, ast, tuple(before), met, failing, missing, str(outcomes.of(failing[0])), blamed)


def failure_on_strangers(case: Case, before: Sequence[Selector], selector: Selector, ast: Ast) -> Failure | None:
    """Return how a selector fails on a device of which nothing is known but that another driver publishes it."""
    environment = stored_environment(case.view.server)
    if any(outcome_on(other.expression, environment, _STRANGER) is not True for other in before):
        return None
    outcome = outcome_on(selector.expression, environment, _STRANGER)
    if not isinstance(outcome, str):
        return None
    missing, blamed = _missing(ast, (_STRANGER,), {outcome})
    return Failure(selector, ast, tuple(before), (), (), missing, outcome, blamed, strangers=True)


def documented_failure(case: Case, before: Sequence[Selector], selector: Selector, ast: Ast) -> Failure | None:
    """Return how a selector fails on devices that the catalogue knows; None where it does not, or where one is judged.

    It must fail on no known device.
    """
    lack = lack_of(case, before, ast)
    met = None if lack is None else accepting(case.view, inventory_of(case.view), before, case.expired)
    if lack is None or met is None or (lack.never and met):
        return None
    error = f"{_NO_KEY}{lack.access.name}"
    return Failure(selector, ast, tuple(before), met, (), (lack.access,), error, blamed=1, lack=lack)


def _missing(ast: Ast, devices: Iterable[Device], errors: Collection[str]) -> tuple[tuple[Access, ...], int]:
    """Return the readings without a guard that find nothing on some of the devices, each name once.

    Those that an error names come first, with their number: others may never be read where they are missing.
    """
    read = [access for access in accesses(ast) if access.domain and access.name and not access.guarded]
    found: dict[tuple[AccessKind, str | None, str | None], Access] = {}
    for device in devices:
        for access in read:
            held = device.attributes if access.kind is AccessKind.ATTRIBUTES else device.capacity
            if f"{access.domain}/{access.name}" not in held:
                found.setdefault((access.kind, access.domain, access.name), access)
    blamed = [access for access in found.values() if f"{_NO_KEY}{access.name}" in errors]
    return (*blamed, *(access for access in found.values() if access not in blamed)), len(blamed)


def guards(case: Case, failure: Failure) -> Iterator[Fix]:
    """Yield guards with which the selector fails nowhere and accepts what it accepted, best first."""
    source = failure.selector.expression
    for message, replacements in _driver_guards(case, failure):
        if _is_safe(case, failure, replaced(source, replacements)):
            yield Fix(message, replacements=replacements)
    for count in dict.fromkeys((failure.blamed, len(failure.missing))):
        message, replacements = _has_guards(failure, source, failure.missing[:count])
        if replacements and _is_safe(case, failure, replaced(source, replacements)):
            yield Fix(message, replacements=replacements)
            return


def _driver_guards(case: Case, failure: Failure) -> Iterator[tuple[str, tuple[Replacement, ...]]]:
    """Yield the guard that asks for the driver, where only devices of other drivers fail."""
    inventory = inventory_of(case.view)
    drivers = {inventory.devices[number].driver for number in failure.failing}
    drivers |= set() if failure.lack is None else {failure.lack.driver}
    source, root = failure.selector.expression, failure.ast.root
    for domain in dict.fromkeys(access.domain for access in failure.missing if access.domain):
        if domain in drivers or not _is_driver(case.view, domain):
            continue
        guard = f"device.driver == '{domain}'"
        first = Replacement(Span(0, 0), f"{guard} && ")
        if _needs_parentheses(root, source):
            first = Replacement(Span(0, 0), f"{guard} && (")
            yield (
                f"ask for the driver first: {guard} && (...)",
                (first, Replacement(Span(len(source), len(source)), ")")),
            )
        else:
            yield f"ask for the driver first: {guard} && ...", (first,)


def _is_driver(view: ClusterView, domain: str) -> bool:
    """Return whether a domain is that of a driver; one that nothing is known of can be nothing else but a standard."""
    pack = view.catalogue.get(domain)
    return domain != STANDARD_DOMAIN and (pack is None or pack.is_driver)


def _has_guards(failure: Failure, source: str, among: Sequence[Access]) -> tuple[str, tuple[Replacement, ...]]:
    """Return the guards that ask with has() for each of the readings."""
    replacements: dict[Span, list[str]] = {}
    for access in among:
        leaf = _leaf(failure.ast.root, access)
        read = source[access.span[0] : access.span[1]]
        replacements.setdefault(Span(leaf.start, leaf.start), []).append(f"has({read}) && ")
    names = " and ".join(dict.fromkeys(f"`{access.name}`" for access in among))
    return (
        f"ask with has() for {names} before it is read",
        tuple(Replacement(at, "".join(dict.fromkeys(texts))) for at, texts in replacements.items()),
    )


def _leaf(root: Expr, access: Access) -> Expr:
    """Return the part of &&, || and ?: around the access that has none of them."""
    node = root
    while isinstance(node, Call) and node.function in (AND, OR, CONDITIONAL):
        inside = [part for part in node.args if part.start <= access.span[0] and access.span[1] <= part.end]
        if not inside:
            return node
        node = inside[0]
    return node


def _needs_parentheses(root: Expr, source: str) -> bool:
    return isinstance(root, Call) and root.function in (OR, CONDITIONAL) and root.start == 0 and root.end == len(source)


def _is_safe(case: Case, failure: Failure, text: str | None) -> bool:
    """Return whether the text fails on nothing that is met, and accepts the same devices."""
    if text is None or compiled_new(text, case.view.server).ast is None:
        return False
    environment = stored_environment(case.view.server)
    if failure.strangers and outcome_on(text, environment, _STRANGER) is not False:
        return False
    inventory = inventory_of(case.view)
    old = outcomes_of(failure.selector.expression, environment, inventory, case.expired)
    new = outcomes_of(text, environment, inventory, case.expired)
    if old is None or new is None:
        return False
    now, then = new.true(), old.true()
    errors, live = new.failing(), inventory.live
    return all(now[number] == then[number] and not (errors[number] and number < live) for number in failure.met)


# Whether it can be anything but an error


def may_succeed(case: Case, failure: Failure) -> bool:
    """Return whether the catalogue knows of devices that class and request may get, and that have what is missing."""
    if failure.lack is not None:
        return not failure.lack.never
    return any(_is_possible(case, failure, access) for access in failure.missing) or not failure.missing


def _is_possible(case: Case, failure: Failure, access: Access) -> bool:
    if access.domain == STANDARD_DOMAIN:
        return True
    known = knowledge_of(case.view).domain(access.domain or "")
    if known is None or known.pack is None or access.name is None:
        return False
    entry = known.names(access.kind).get(access.name)
    if entry is None or entry.entry is None:
        return False
    driver, kinds = known.pack.driver, entry.entry.kinds
    marks = [kind.marks for kind in known.pack.kinds if kind.name in kinds] if kinds else [{}]
    environment = stored_environment(case.view.server)
    for one in marks:
        device = device_of("", driver, one)
        if not any(outcome_on(other.expression, environment, device) is False for other in failure.before):
            return True
    return False


def is_disputed(inventory: Inventory, failure: Failure) -> bool:
    """Return whether the second CEL engine takes the selector to accept a device on which it fails."""
    examples = () if failure.lack is None else failure.lack.examples
    failing = (inventory.devices[number] for number in failure.failing[:_MOST_ASKED])
    shown = map(_shown, (*examples, *failing))
    return any(referee(failure.selector.expression, failure.ast, device) is True for device in shown)


def _shown(device: Device) -> CelDevice:
    capacity = {name: held.value for name, held in device.capacity.items()}
    return make_device(device.driver, device.attributes, capacity, device.allow_multiple_allocations)

"""Which attributes and capacities a subject's selectors name, and what the known devices publish under them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from webhook.cel.compile import Compiled, Verdict
from webhook.cel.inspect import Access, AccessKind, accesses
from webhook.cel.syntax import Ast
from webhook.core.cache import BoundedCache
from webhook.core.claims import Alternative, Selector
from webhook.core.cluster import ClusterView
from webhook.inventory.case import Case, compiled_new, never
from webhook.inventory.inventory import Inventory, inventory_of
from webhook.inventory.matching import accepting

_MOST_CHARACTERS = 250_000  # of source
_MOST_NUMBERS = 1_000_000


@dataclass(frozen=True, slots=True)
class NamedAccess:
    """One access with a literal domain in a selector that compiles.

    `guarded`: the selector asks whether this very name is there, here or elsewhere (`has(x.a) && x.a == 1`);
    `domain_guarded`: it asks so for anything under the domain.
    """

    selector: Selector
    ast: Ast
    alternative: Alternative | None
    access: Access
    domain: str
    guarded: bool
    domain_guarded: bool


def named_accesses(case: Case) -> Iterator[NamedAccess]:
    for selector, alternative in case.selectors():
        if case.expired():
            return
        compiled = compiled_new(selector.expression, case.view.server)
        ast, found = compiled.ast, _accesses(compiled)
        names = {_name(access) for access in found if access.guarded}
        domains = {access.domain for access in found if access.guarded}
        for access in found:
            if ast is not None and access.domain is not None:
                guards = _name(access) in names, access.domain in domains
                yield NamedAccess(selector, ast, alternative, access, access.domain, *guards)


def _name(access: Access) -> tuple[AccessKind, str | None, str | None]:
    return access.kind, access.domain, access.name


_ACCESSES: BoundedCache[int, tuple[Ast, tuple[Access, ...]]] = BoundedCache(_MOST_CHARACTERS)


def _accesses(compiled: Compiled) -> tuple[Access, ...]:
    ast = compiled.ast
    if ast is None or compiled.verdict is not Verdict.OK:
        return ()
    kept, found = _ACCESSES.get(id(ast), len(compiled.expression), lambda: (ast, tuple(accesses(ast))))
    assert kept is ast  # it is kept, so no other tree can have its id
    return found


_DRIVERS: BoundedCache[int, tuple[tuple[int, ...], frozenset[str]]] = BoundedCache(_MOST_NUMBERS)


def drivers_of(
    view: ClusterView, alternative: Alternative | None, expired: Callable[[], bool] = never
) -> frozenset[str] | None:
    """Return the drivers whose known devices the alternative's class accepts; None where that is not known."""
    device_class = None if alternative is None else view.device_classes.get(alternative.device_class_name)
    if device_class is None:
        return None
    inventory = inventory_of(view)
    numbers = accepting(view, inventory, device_class.selectors, expired)
    if not numbers:
        return None
    kept, found = _DRIVERS.get(id(numbers), len(numbers), lambda: (numbers, _drivers(inventory, numbers)))
    assert kept is numbers  # they are kept, so no others can have their identity
    return found


def _drivers(inventory: Inventory, numbers: Iterable[int]) -> frozenset[str]:
    return frozenset(inventory.devices[number].driver for number in numbers)

"""The second CEL engine is asked before something is denied because of what an expression evaluates to (contract 4)."""

from collections.abc import Iterable, Iterator, Sequence

from webhook.cel.device import CelDevice, make_device
from webhook.cel.referee import referee
from webhook.cel.syntax import Ast, Expr, walk
from webhook.inventory.inventory import Inventory


def accepted_by_referee(expressions: Sequence[Ast], devices: Iterable[CelDevice]) -> bool:
    """Return whether in the second engine's opinion every expression is true on some device.

    Where it has no opinion, it accepts nothing.
    """
    return any(all(referee(ast.source, ast, device) is True for ast in expressions) for device in devices)


def part_of(ast: Ast, node: Expr) -> Ast:
    """Return one part of a selector as an expression of its own."""
    ids = {part.id for part in walk(node)}
    macros = {id_: call for id_, call in ast.macros.items() if id_ in ids}
    return Ast(node, ast.source[node.start : node.end], macros)


def some_devices(inventory: Inventory, most: int) -> Iterator[CelDevice]:
    """Yield at most so many of the known devices, from all over the inventory."""
    step = max(1, len(inventory.devices) // most)
    for device in inventory.devices[::step][:most]:
        capacity = {name: held.value for name, held in device.capacity.items()}
        yield make_device(device.driver, device.attributes, capacity, device.allow_multiple_allocations)

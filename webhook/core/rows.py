"""The attributes of a device in little room: what devices have alike they share.

A hundred thousand devices have few sets of names between them, and few values but those that tell one from another.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar

from webhook.core.cache import BoundedCache

V = TypeVar("V")

CellType = type | tuple[type, ...]
"""The type of a value; of a list `tuple` and the types of its items."""

_MOST_LAYOUTS = 10_000
_MOST_CELLS = 5_000
_MOST_TEXTS = 5_000


class Layout:
    """Which names a row has, of which types, and where each stands; equal only to itself."""

    def __init__(self, names: tuple[str, ...], types: tuple[CellType, ...]) -> None:
        self.names = names
        self.types = types

    @cached_property
    def index(self) -> Mapping[str, int]:
        return {name: position for position, name in enumerate(self.names)}


class Row(Mapping[str, V], Generic[V]):
    """The values of one device by their names: `cells` are its values, in the layout's order."""

    __slots__ = ("cells", "layout")

    def __init__(self, layout: Layout, cells: tuple[V, ...]) -> None:
        self.layout = layout
        self.cells = cells

    def __getitem__(self, name: str) -> V:
        return self.cells[self.layout.index[name]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.layout.names)

    def __len__(self) -> int:
        return len(self.cells)

    def __contains__(self, name: object) -> bool:
        return name in self.layout.index

    def __repr__(self) -> str:
        return repr(dict(self))


_LAYOUTS: BoundedCache[object, Layout] = BoundedCache(_MOST_LAYOUTS)
_CELLS: BoundedCache[object, tuple[Any, ...]] = BoundedCache(_MOST_CELLS)
_TEXTS: BoundedCache[object, Any] = BoundedCache(_MOST_TEXTS)


def layout_of(items: Mapping[str, object]) -> Layout:
    names, types = tuple(items), tuple(map(_type, items.values()))
    return _LAYOUTS.get((names, types), 1, lambda: Layout(names, types))


def cells_of(layout: Layout, items: Mapping[str, V]) -> tuple[V, ...]:
    """Return the values, in the layout's order; those of devices that are alike are held once, as a rule."""
    cells = tuple(map(shared, items.values()))
    kept: tuple[V, ...] = _CELLS.get((layout, cells), 1, lambda: cells)
    return kept


def _type(value: object) -> CellType:
    return (tuple, *map(type, value)) if isinstance(value, tuple) else type(value)


def shared(value: V) -> V:
    """Return an equal text of the same type that is held already."""
    if not isinstance(value, str):
        return value
    text: V = _TEXTS.get((type(value), value), 1, lambda: value)
    return text

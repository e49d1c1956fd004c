"""The attributes of a device in little room: what devices have alike they share.

A hundred thousand devices have few sets of names between them, and few values but those that tell one from another.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

from webhook.core.cache import BoundedCache

V = TypeVar("V")

CellType = type | tuple[type, ...]
"""The type of a value; of a list `tuple` and the types of its items."""

_MOST_LAYOUTS = 10_000
_MOST_ROWS = 10_000
_MOST_TEXTS = 10_000


class Layout:
    """Which names a row has, of which types, and where each stands; equal only to itself."""

    __slots__ = ("index", "names", "types")

    def __init__(self, names: tuple[str, ...], types: tuple[CellType, ...]) -> None:
        self.names = names
        self.types = types
        self.index = {name: position for position, name in enumerate(names)}


class Row(Mapping[str, V], Generic[V]):
    """A mapping that shares its names with all of its layout: `cells` are its values, in the layout's order.

    Rows of one layout with equal cells hold the same values of the same types (`1` is not `true`).
    """

    __slots__ = ("cells", "layout")

    def __init__(self, layout: Layout, cells: tuple[V, ...]) -> None:
        self.layout = layout
        self.cells = cells

    def __getitem__(self, name: str) -> V:
        return self.cells[self.layout.index[name]]

    def get(self, name: str, default: Any = None) -> Any:
        position = self.layout.index.get(name)
        return default if position is None else self.cells[position]

    def __iter__(self) -> Iterator[str]:
        return iter(self.layout.names)

    def __len__(self) -> int:
        return len(self.cells)

    def __contains__(self, name: object) -> bool:
        return name in self.layout.index

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Row):
            if self.layout.names == other.layout.names:
                return self.layout.types == other.layout.types and self.cells == other.cells
            return dict(self) == dict(other)
        return isinstance(other, Mapping) and dict(self) == dict(other)

    def __hash__(self) -> int:
        return hash(self.cells)

    def __repr__(self) -> str:
        return repr(dict(self))


_LAYOUTS: BoundedCache[object, Layout] = BoundedCache(_MOST_LAYOUTS)
_ROWS: BoundedCache[object, Row[Any]] = BoundedCache(_MOST_ROWS)
_TEXTS: BoundedCache[object, Any] = BoundedCache(_MOST_TEXTS)


def row_of(items: Mapping[str, V]) -> Row[V]:
    """Return the mapping as a row that shares all it can with the rows made before."""
    if isinstance(items, Row):
        return items
    names, types = tuple(items), tuple(map(_type, items.values()))
    key = (names, types)
    layout = _LAYOUTS.get(key, 1, lambda: Layout(names, types))
    cells = tuple(map(shared, items.values()))
    row: Row[V] = _ROWS.get((layout, cells), 1, lambda: Row(layout, cells))
    return row


def _type(value: object) -> CellType:
    return (tuple, *map(type, value)) if isinstance(value, tuple) else type(value)


def shared(value: V) -> V:
    """Return an equal text of the same type that is held already."""
    if not isinstance(value, str):
        return value
    text: V = _TEXTS.get((type(value), value), 1, lambda: value)
    return text

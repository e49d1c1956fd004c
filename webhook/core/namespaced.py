"""Objects by namespace and name, of which frozen copies are cheap: a change copies its namespace and no more."""

from collections.abc import ItemsView, Iterator, Mapping, MutableMapping
from typing import Any, Generic, TypeVar

V = TypeVar("V")
NamespacedName = tuple[str, str]


_NONE: Mapping[str, Any] = {}


class Frozen(Mapping[NamespacedName, V], Generic[V]):
    """All objects as they were at one moment."""

    __slots__ = ("_by",)

    def __init__(self, by: Mapping[str, Mapping[str, V]]) -> None:
        self._by = by

    def __getitem__(self, key: NamespacedName) -> V:
        namespace, name = key
        return self._by[namespace][name]

    def __iter__(self) -> Iterator[NamespacedName]:
        return ((namespace, name) for namespace, objects in self._by.items() for name in objects)

    def __len__(self) -> int:
        return sum(map(len, self._by.values()))

    def items(self) -> ItemsView[NamespacedName, V]:
        return _Items(self)

    def of(self, namespace: str) -> Mapping[str, V]:
        """Return the objects of a namespace by name: the very same mapping as long as none of them changes."""
        return self._by.get(namespace, _NONE)

    def pairs(self) -> Iterator[tuple[NamespacedName, V]]:
        return (((space, name), value) for space, objects in self._by.items() for name, value in objects.items())


class _Items(ItemsView[NamespacedName, V]):
    """Goes through the objects without looking each up."""

    def __init__(self, frozen: Frozen[V]) -> None:
        super().__init__(frozen)
        self._frozen = frozen

    def __iter__(self) -> Iterator[tuple[NamespacedName, V]]:
        return self._frozen.pairs()


class Changing(MutableMapping[NamespacedName, V], Generic[V]):
    """The objects now; what `frozen` has given out stays as it was."""

    def __init__(self, objects: Mapping[NamespacedName, V]) -> None:
        self._by: dict[str, dict[str, V]] = {}
        self._given: set[str] = set()
        for (namespace, name), value in objects.items():
            self._by.setdefault(namespace, {})[name] = value

    def frozen(self) -> Frozen[V]:
        self._given = set(self._by)
        return Frozen(dict(self._by))

    def __getitem__(self, key: NamespacedName) -> V:
        namespace, name = key
        return self._by[namespace][name]

    def __setitem__(self, key: NamespacedName, value: V) -> None:
        namespace, name = key
        self._own(namespace)[name] = value

    def __delitem__(self, key: NamespacedName) -> None:
        namespace, name = key
        if name not in self._by.get(namespace, ()):
            raise KeyError(key)
        left = self._own(namespace)
        del left[name]
        if not left:
            del self._by[namespace]

    def __iter__(self) -> Iterator[NamespacedName]:
        return ((namespace, name) for namespace, objects in self._by.items() for name in objects)

    def __len__(self) -> int:
        return sum(map(len, self._by.values()))

    def _own(self, namespace: str) -> dict[str, V]:
        """Return the objects of a namespace to change: a copy where they have been given out."""
        objects = self._by.setdefault(namespace, {})
        if namespace in self._given:
            objects = self._by[namespace] = objects.copy()
            self._given.discard(namespace)
        return objects

"""A bounded cache for what is computed from texts that users send."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Remembers results until their weights come to more than `most`; then it forgets all and begins again.

    Forgetting all costs a hostile crowd's neighbours one computation each, and needs no lock: threads that race
    compute the same value twice at worst.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._weight = 0
        self._kept: dict[K, V] = {}

    def known(self, key: K) -> V | None:
        """Return the value kept for the key, if one is."""
        return self._kept.get(key)

    def get(self, key: K, weight: int, compute: Callable[[], V]) -> V:
        """Return the value kept for the key, else compute and keep it."""
        try:
            return self._kept[key]
        except KeyError:
            value = compute()
        if self._weight + weight > self._most:
            self._kept = {}
            self._weight = 0
        self._weight += weight
        self._kept[key] = value
        return value

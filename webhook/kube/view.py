"""Folds what reflectors see into the next ClusterView and publishes it by one assignment."""

import asyncio
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any

from webhook.core.catalogue import StatedDriver
from webhook.core.cluster import ClusterView
from webhook.core.devices import ResourceSlice
from webhook.core.namespaced import Changing
from webhook.kube.batches import in_batches
from webhook.kube.gates import inferred_gates, server_truth
from webhook.kube.kinds import CLAIMS, SLICES, TEMPLATES, Key, Kind
from webhook.kube.shipped import shipped_catalogue

_MANY = frozenset({CLAIMS.field, TEMPLATES.field})


@dataclass(frozen=True, slots=True)
class Told:
    """What flags state of the server and of drivers, and what the server tells of itself; None is not known.

    What is stated wins over what the server tells, and that over what is inferred from slices.
    """

    stated_version: str | None = None
    stated_gates: Mapping[str, bool] = field(default_factory=dict)
    version: str | None = None
    gates: Mapping[str, bool] = field(default_factory=dict)
    drivers: Mapping[str, StatedDriver] = field(default_factory=dict)


class ViewBuilder:
    """A sink of reflectors: `view` is always whole and frozen, `published` counts the views so far.

    A burst of events becomes one view: maps are copied once a batch, and a batch is what comes within
    `batch_seconds`. What has not changed is shared with the view before, so that caches may go by identity.
    """

    def __init__(self, told: Told = Told(), *, batch_seconds: float = 0.005) -> None:
        self.view = ClusterView(given=True, catalogue=shipped_catalogue(), drivers=told.drivers)
        self.published = 0
        self._told = told
        self._batch_seconds = batch_seconds
        self._objects: dict[Kind, MutableMapping[Any, object]] = {}
        self._listed: set[Kind] = set()
        self._dirty: set[str] = set()
        self._inferred: dict[str, bool] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._listeners: list[Callable[[ClusterView], None]] = []
        self._publish()

    @property
    def pending(self) -> bool:
        """True where something was told that is not in the view yet."""
        return self._timer is not None

    def on_publish(self, listener: Callable[[ClusterView], None]) -> None:
        """Call the listener, on the loop, with each new view."""
        self._listeners.append(listener)

    async def replaced(self, kind: Kind, objects: Mapping[Key, object], resource_version: str) -> None:  # noqa: ARG002
        before = self._objects.get(kind, {})
        same: dict[Key, object] = {}
        async for batch in in_batches(objects.items()):
            same.update((key, before[key]) for key, value in batch if key in before and before[key] == value)
        self._objects[kind] = _kept(kind, {**objects, **same})
        if kind is SLICES:
            self._inferred.clear()
            self._infer(*objects.values())
        if kind not in self._listed or len(same) < max(len(before), len(objects)):
            self._changed(kind)
        self._listed.add(kind)

    def changed(self, kind: Kind, key: Key, value: object | None, resource_version: str) -> None:  # noqa: ARG002
        objects = self._objects.get(kind)
        if objects is None:
            objects = self._objects[kind] = _kept(kind, {})
        if value is None:
            objects.pop(key, None)
        elif objects.get(key) == value:
            return  # a heartbeat, or a field that is not kept
        else:
            objects[key] = value
            self._infer(value)
        self._changed(kind)

    def progressed(self, kind: Kind, resource_version: str) -> None:
        """Nothing in the view depends on how far the watch has come."""

    def count(self, kind: Kind) -> int:
        return len(self._objects.get(kind, ()))

    def told(self, version: str | None, gates: Mapping[str, bool]) -> None:
        """Take what the server tells of itself; what it does not tell any more stays known."""
        self._told = replace(self._told, version=version or self._told.version, gates={**self._told.gates, **gates})
        self._soon()

    def _infer(self, *values: object) -> None:
        self._inferred.update(inferred_gates(value for value in values if isinstance(value, ResourceSlice)))

    def _changed(self, kind: Kind) -> None:
        self._dirty.add(kind.field)
        self._soon()

    def _soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._batch_seconds, self._publish)

    def _publish(self) -> None:
        self._timer = None
        fields: dict[str, Any] = {name: self._map(name) for name in self._dirty}
        self._dirty.clear()
        told = self._told
        gates = {**self._inferred, **told.gates, **told.stated_gates}
        server = server_truth(told.stated_version or told.version, gates, assume_defaults=False)
        self.view = replace(self.view, server=self.view.server if self.view.server == server else server, **fields)
        self.published += 1
        for listener in self._listeners:
            listener(self.view)

    def _map(self, name: str) -> Mapping[Any, object]:
        """Return a copy of all objects of a field; quotas of both kinds share one."""
        merged: dict[Any, object] = {}
        for kind, objects in self._objects.items():
            if kind.field == name:
                if isinstance(objects, Changing):
                    return objects.frozen()
                merged |= objects
        return merged


def _kept(kind: Kind, objects: dict[Any, object]) -> MutableMapping[Any, object]:
    """Return a place for objects of a kind; there are so many claims that a copy of all takes too long."""
    return Changing(objects) if kind.field in _MANY else objects

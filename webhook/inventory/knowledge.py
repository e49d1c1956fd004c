"""What is known of a domain: the driver catalogue (of the driver's version) and live devices, kept apart and merged.

A driver's version is what the operator states, else what live attributes tell (a name that was dropped, a name that
came later), else any version counts (architecture 5, attribute schema).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

from webhook.cel.inspect import AccessKind
from webhook.core.cache import BoundedCache
from webhook.core.catalogue import (
    CatalogueAttribute,
    CatalogueCapacity,
    CatalogueName,
    DriverPack,
    KnownMistake,
    Lifetime,
    MistakeKind,
    Release,
    StatedDriver,
    release,
)
from webhook.core.cluster import ClusterView
from webhook.inventory.inventory import inventory_of
from webhook.inventory.schema import AttributeSchema, DomainSchema

_Named = TypeVar("_Named", CatalogueAttribute, CatalogueCapacity)
_Entry = TypeVar("_Entry")
_Seen = TypeVar("_Seen")
_Known = TypeVar("_Known")


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions that a driver may have: from `low`, before `high`; None is without bound. One stated has both."""

    low: Release | None = None
    high: Release | None = None

    def meets(self, lifetime: Lifetime, former: Mapping[str, str]) -> bool:
        """Return whether some version of these has what has this lifetime."""
        since, until = _bounds(lifetime, former)
        return not (since and self.high and self.high <= since) and not (until and self.low and self.low >= until)


@dataclass(frozen=True, slots=True)
class KnownAttribute:
    """One attribute by its name without the domain: its catalogue entry and what live devices show, either or both."""

    name: str
    entry: CatalogueAttribute | None
    live: AttributeSchema | None

    @property
    def types(self) -> frozenset[str]:
        """Return the types that it is documented or seen with; empty where that is not known."""
        return (self.entry.types if self.entry else frozenset()) | frozenset(self.live.types if self.live else ())


@dataclass(frozen=True, slots=True)
class KnownCapacity:
    """One capacity by its name without the domain: its catalogue entry, and how many live devices publish it."""

    name: str
    entry: CatalogueCapacity | None
    live: int


def _known_capacity(name: str, entry: CatalogueCapacity | None, live: int | None) -> KnownCapacity:
    return KnownCapacity(name, entry, live or 0)


class _Merged(Mapping[str, _Known], Generic[_Entry, _Seen, _Known]):
    """What catalogue and live devices know by name, put together when it is asked for: the names may be many."""

    def __init__(
        self,
        entries: Mapping[str, _Entry],
        seen: Mapping[str, _Seen],
        known: Callable[[str, _Entry | None, _Seen | None], _Known],
    ) -> None:
        self._entries, self._seen, self._known = entries, seen, known

    def __getitem__(self, name: str) -> _Known:
        if name not in self:
            raise KeyError(name)
        return self._known(name, self._entries.get(name), self._seen.get(name))

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._seen

    def __iter__(self) -> Iterator[str]:
        yield from self._entries
        yield from (name for name in self._seen if name not in self._entries)

    def __len__(self) -> int:
        return len(self._entries) + sum(name not in self._entries for name in self._seen)


@dataclass(frozen=True)
class DomainKnowledge:
    """What is known under one domain: its pack (None without one), its live schema, its driver's versions.

    `newer`: the driver is known to be newer than the pack, so that the pack cannot tell what is absent.
    """

    domain: str
    pack: DriverPack | None
    live: DomainSchema | None
    versions: Versions = Versions()
    newer: bool = False

    @cached_property
    def attributes(self) -> Mapping[str, KnownAttribute]:
        entries = dict(self._of_version(self.pack.attributes)) if self.pack else {}
        return _Merged(entries, self.live.attributes if self.live else {}, KnownAttribute)

    @cached_property
    def capacities(self) -> Mapping[str, KnownCapacity]:
        entries = dict(self._of_version(self.pack.capacities)) if self.pack else {}
        return _Merged(entries, self.live.capacities if self.live else {}, _known_capacity)

    def names(self, kind: AccessKind) -> Mapping[str, KnownAttribute] | Mapping[str, KnownCapacity]:
        return self.attributes if kind is AccessKind.ATTRIBUTES else self.capacities

    @property
    def is_catalogued(self) -> bool:
        """Return whether a name that is not known here is known not to exist: a driver's whole pack of its version."""
        return self.pack is not None and self.pack.is_driver and not self.is_vague

    @property
    def is_vague(self) -> bool:
        """Return whether there may be more than the catalogue knows: the driver is newer, or copied and changed."""
        return self.newer or (self.pack is not None and self.pack.partial)

    def dropped(self, kind: AccessKind, name: str) -> CatalogueName | None:
        """Return the pack's entry of a name that this driver's version does not have, but another one has."""
        if self.pack is None or name in self.names(kind):
            return None
        qualified_name = f"{self.domain}/{name}"
        if kind is AccessKind.ATTRIBUTES:
            return self.pack.attributes.get(qualified_name)
        return self.pack.capacities.get(qualified_name)

    def mistake(self, kind: MistakeKind, wrong: str, of: str = "") -> KnownMistake | None:
        for mistake in self.pack.mistakes if self.pack else ():
            if mistake.kind is kind and mistake.wrong == wrong and (not of or mistake.of in (of, "")):
                return mistake
        return None

    def _of_version(self, entries: Mapping[str, _Named]) -> Iterator[tuple[str, _Named]]:
        """Yield the entries of the domain that the driver's version has, by their names without it."""
        assert self.pack is not None  # its entries are given
        for qualified_name, entry in entries.items():
            domain, _, name = qualified_name.partition("/")
            if domain == self.domain and self.versions.meets(entry.lifetime, self.pack.former):
                yield name, entry


class Knowledge:
    """What is known of every domain of one cluster view."""

    def __init__(self, view: ClusterView) -> None:
        self._catalogue = view.catalogue
        self._stated = view.drivers
        self._live = inventory_of(view).domains
        self._known: dict[str, DomainKnowledge | None] = {}

    @cached_property
    def domains(self) -> frozenset[str]:
        """Return every domain that is in the catalogue or that live devices publish under."""
        return frozenset(self._catalogue) | frozenset(self._live)

    @property
    def live_domains(self) -> frozenset[str]:
        return frozenset(self._live)

    def domain(self, name: str) -> DomainKnowledge | None:
        """Return what is known under a domain; None where nothing is."""
        if name not in self._known:
            self._known[name] = self._domain(name)
        return self._known[name]

    def pack(self, driver: str) -> DriverPack | None:
        return self._catalogue.get(driver)

    def has(self, driver: str, entry: CatalogueName) -> bool:
        """Return whether the driver's version has what a pack's entry tells of."""
        known = self.domain(driver)
        return known is None or known.pack is None or known.versions.meets(entry.lifetime, known.pack.former)

    def gate(self, driver: str, name: str) -> bool | None:
        """Return whether a driver's feature gate is on; None where neither the operator nor the catalogue says so."""
        stated = self._stated.get(driver, StatedDriver()).gates.get(name)
        pack = self._catalogue.get(driver)
        return stated if stated is not None or pack is None or name not in pack.gates else name in pack.default_on

    def domain_mistake(self, wrong: str) -> KnownMistake | None:
        """Return the known mistake that a domain is, of whichever pack."""
        for driver in self._catalogue:
            for mistake in self._catalogue[driver].mistakes:
                if mistake.kind is MistakeKind.DOMAIN and mistake.wrong == wrong:
                    return mistake
        return None

    def _domain(self, name: str) -> DomainKnowledge | None:
        pack, live = self._catalogue.get(name), self._live.get(name)
        if pack is None:
            return None if live is None else DomainKnowledge(name, None, live)
        stated = release(self._stated.get(name, StatedDriver()).version, pack.former)
        if stated is None:
            return DomainKnowledge(name, pack, live, _inferred(pack, self._live) if live else Versions())
        newest = release(pack.version, pack.former)
        newer = newest is None or stated[: len(newest)] > newest  # a pack that tells no version may be of an older one
        return DomainKnowledge(name, pack, live, Versions(stated, (*stated, 0)), newer)


_KNOWLEDGE: BoundedCache[tuple[int, ...], tuple[tuple[object, ...], Knowledge]] = BoundedCache(4)


def knowledge_of(view: ClusterView) -> Knowledge:
    """Return what is known of the domains of a view; views that share slices and catalogue share it."""
    of = (view.slices, view.inventories, view.catalogue, view.drivers)
    # They are kept, so that no other objects can have their identities.
    return _KNOWLEDGE.get(tuple(map(id, of)), 1, lambda: (of, Knowledge(view)))[1]


def _bounds(lifetime: Lifetime, former: Mapping[str, str]) -> tuple[Release | None, Release | None]:
    return release(lifetime.since, former), release(lifetime.until, former)


def _inferred(pack: DriverPack, live: Mapping[str, DomainSchema]) -> Versions:
    """Return the versions that live devices tell of.

    Names that came later tell a lowest version, names that were dropped a highest one; names that every device had
    before some version, and that none has now, tell that it is reached. Evidence of both sides of a version, as while
    a driver is being upgraded, tells nothing.
    """
    since: list[Release] = []
    until: list[Release] = []
    for entry in (*pack.attributes.values(), *pack.capacities.values()):
        first, end = _bounds(entry.lifetime, pack.former)
        if _is_live(entry, pack, live):
            since += [first] if first else []
            until += [end] if end else []
        elif end and not first and not entry.optional and not entry.gate and _has_kind(entry, pack, live):
            since.append(end)
    low = max(since, default=None)
    high = min(until, default=None)
    return Versions() if low and high and high <= low else Versions(low, high)


def _is_live(entry: CatalogueName, pack: DriverPack, live: Mapping[str, DomainSchema]) -> bool:
    domain, _, name = entry.name.partition("/")
    schema = live.get(domain)
    if schema is None or domain != pack.driver:
        # Others publish standard attributes as well, so that these tell nothing unless the driver is alone.
        return schema is not None and schema.drivers == {pack.driver} and name in schema.attributes
    return name in (schema.attributes if isinstance(entry, CatalogueAttribute) else schema.capacities)


def _has_kind(entry: CatalogueName, pack: DriverPack, live: Mapping[str, DomainSchema]) -> bool:
    """Return whether devices of a kind that publishes the entry are there."""
    schema = live[pack.driver]
    for kind in pack.kinds:
        if kind.name in entry.kinds or not entry.kinds:
            for name, value in kind.marks.items():
                attribute = schema.attributes.get(name.partition("/")[2])
                if attribute is not None and value in attribute.values:
                    return True
    return not pack.kinds

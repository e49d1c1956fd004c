"""Which claims a pod gets and which container names which: the arithmetic of the device plugin (dra.md 7.3)."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from webhook.core.pods import Role
from webhook.rewrite.asks import Need
from webhook.rewrite.templates import Shape

BASE_NAME = "gpu"


@dataclass(frozen=True, slots=True)
class PlannedClaim:
    """One claim of the pod: so many devices of a shape, for the named resource."""

    name: str
    resource: str
    shape: Shape
    count: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The pod's claims in their order, and for each container (by its place) the claims that it names."""

    claims: tuple[PlannedClaim, ...]
    names: Mapping[int, tuple[str, ...]]


def plan(containers: Sequence[tuple[Role, Sequence[Need]]], taken: Collection[str]) -> Plan:
    """Return one claim for each long-lived container and resource; ordinary init containers reuse them.

    An init container runs before the long-lived containers after it and gives its devices back, so it names their
    claims, in order, until they hold as many devices as it asks for. What is short comes from one extra claim a
    resource, as large as the largest shortage, which all init containers share.
    """
    fresh = _fresh(taken)
    claims: list[PlannedClaim] = []
    names: dict[int, list[str]] = {}
    later: dict[tuple[str, Shape], list[tuple[int, PlannedClaim]]] = {}
    for place, (role, needs) in enumerate(containers):
        for need in needs if role.long_lived else ():
            claim = PlannedClaim(next(fresh), need.resource, need.shapes[0], need.count)
            claims.append(claim)
            names.setdefault(place, []).append(claim.name)
            later.setdefault((need.resource, claim.shape), []).append((place, claim))
    short: dict[tuple[str, Shape], list[tuple[int, int]]] = {}
    for place, (role, needs) in enumerate(containers):
        for need in () if role.long_lived else needs:
            key = (need.resource, need.shapes[0])
            reused, missing = _reused(place, need.count, later.get(key, ()))
            names.setdefault(place, []).extend(reused)
            if missing:
                short.setdefault(key, []).append((place, missing))
    for resource, shape in sorted(short, key=lambda key: key[0]):
        extra = PlannedClaim(next(fresh), resource, shape, max(missing for _, missing in short[resource, shape]))
        claims.append(extra)
        for place, _ in short[resource, shape]:
            names[place].append(extra.name)
    return Plan(tuple(claims), {place: tuple(named) for place, named in names.items()})


def _reused(place: int, count: int, later: Sequence[tuple[int, PlannedClaim]]) -> tuple[list[str], int]:
    """Return the claims of containers after a place that hold the count, and how many devices they lack."""
    names: list[str] = []
    for owner, claim in later:
        if count <= 0:
            break
        if owner > place:
            names.append(claim.name)
            count -= claim.count
    return names, max(count, 0)


def _fresh(taken: Collection[str]) -> Iterator[str]:
    """Yield gpu, gpu-2, gpu-3 ..., but for names that the pod has already."""
    number = 1
    while True:
        name = BASE_NAME if number == 1 else f"{BASE_NAME}-{number}"
        if name not in taken:
            yield name
        number += 1

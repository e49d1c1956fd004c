"""Which requests a constraint concerns (resource.k8s.io types, DeviceConstraint)."""

from collections.abc import Iterator
from dataclasses import dataclass

from webhook.core.claims import Alternative, Claim, Constraint
from webhook.core.fieldpath import FieldPath


@dataclass(frozen=True, slots=True)
class Concerned:
    """One request that a constraint concerns, and which of its alternatives; `whole`: all of them."""

    name: str
    ways: tuple[Alternative, ...]
    whole: bool


def concerned(claim: Claim, constraint: Constraint) -> Iterator[Concerned]:
    """Yield the requests that the constraint names, or every one where it names none."""
    names = frozenset(constraint.requests)
    for device_request in claim.requests:
        every = not names or device_request.name in names
        ways = tuple(way for way in device_request.alternatives if every or way.name in names)
        if ways:
            yield Concerned(device_request.name, ways, len(ways) == len(device_request.alternatives))


def attribute_of(constraint: Constraint) -> tuple[str, FieldPath]:
    """Return the attribute and where it stands; of two only `matchAttribute` is used (allocator, constraints)."""
    if constraint.match_attribute:
        return constraint.match_attribute, constraint.path.child("matchAttribute")
    return constraint.distinct_attribute, constraint.path.child("distinctAttribute")

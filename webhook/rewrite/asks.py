"""What each container asks for, in devices: quantities, companions and selectors become shapes and counts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from webhook.core.capacities import qualified
from webhook.core.cluster import ClusterView
from webhook.core.fieldpath import FieldPath
from webhook.core.mappings import Companion, LegacyMapping, MainResource
from webhook.core.pods import Container
from webhook.core.quantity import Quantity, parse_quantity
from webhook.rewrite.serving import Served
from webhook.rewrite.supply import devices_for
from webhook.rewrite.templates import Shape, canonical

_MOST_SELECTORS = 32
"""The most selectors of one request (DeviceSelectorsMaxSize)."""

_MOST_AMOUNT = 2**63 - 1
"""Beyond this Kubernetes cuts off a quantity with a binary suffix, and a stored claim says something else."""


class UnusableQuantityError(ValueError):
    """A quantity that cannot become a count of devices or an amount of a capacity; the message says why."""


@dataclass(frozen=True, slots=True)
class Need:
    """So many devices that a container asks for by one resource name.

    `shapes` are the shapes they may have, of which a rewrite takes the first: several only where an amount is a
    percentage of what devices publish. `companions` are the names that ask for a capacity of each device.
    """

    resource: str
    mapping: LegacyMapping
    path: FieldPath
    count: int
    shapes: tuple[Shape, ...]
    companions: tuple[tuple[str, Companion], ...] = ()


Selectors = Mapping[str, tuple[str, ...]]
"""By the name of a mapping: the selectors that stand for node labels, for every request that it makes."""


def needs_of(
    container: Container, serving: Mapping[str, Served], selectors: Selectors, view: ClusterView
) -> tuple[Need, ...]:
    """Return what a container asks for, sorted by resource name; UnusableQuantityError where that is not certain.

    A companion alone asks one device of its main resource; a quantity of 0 asks for nothing (contract 6.1, 6.2).
    """
    for name in container.resource_requests:
        if name in serving:
            _require_limit(container, name)
    amounts = {name: _whole(container, name) for name in sorted(container.limits) if name in serving}
    counts: dict[str, int] = {}
    mains: dict[str, Served] = {}
    shares: dict[str, list[_Share]] = {}
    for name, amount in amounts.items():
        served = serving[name]
        if isinstance(served.resource, Companion):
            of = served.resource.of
            if amount:
                shares.setdefault(of, []).append(_Share(served.resource, name, amount))
                mains.setdefault(of, serving.get(of) or main_of(served))
        else:
            counts[name], mains[name] = amount, served
    asked = ((name, counts.get(name, 1)) for name in sorted(mains))
    return tuple(
        _need(container, mains[name], count, shares.get(name, ()), selectors, view) for name, count in asked if count
    )


def asked_names(container: Container, serving: Mapping[str, Served]) -> tuple[str, ...]:
    """Return the mapped names of which a container asks more than nothing."""
    return tuple(name for name in container.limits if name in serving and _whole(container, name))


def asks_nothing(container: Container, serving: Mapping[str, Served]) -> bool:
    """Return whether all mapped limits of a container are 0."""
    try:
        return not asked_names(container, serving)
    except UnusableQuantityError:
        return False


def main_of(companion: Served) -> Served:
    """Return the main resource of a companion, as the companion's own mapping serves it."""
    assert isinstance(companion.resource, Companion)
    hit = companion.mapping.find(companion.resource.of)
    assert hit is not None  # a mapping whose companions have no main resource has misfits, and serves nothing
    return Served(companion.resource.of, companion.mapping, *hit)


@dataclass(frozen=True, slots=True)
class _Share:
    companion: Companion
    name: str
    amount: int


def _require_limit(container: Container, name: str) -> None:
    """Refuse a request that is not the limit: the API server does, and a rewrite must not hide it from its author."""
    limit, requested = container.limits.get(name), container.resource_requests[name]
    if limit is None or (requested != limit and _amount(requested, name) != _amount(limit, name)):
        raise UnusableQuantityError(f"`{name}` must have a limit that is equal to its request")


def _whole(container: Container, name: str) -> int:
    written = container.limits[name]
    amount = _amount(written, name)
    if amount.denominator != 1 or amount.numerator < 0:
        raise UnusableQuantityError(f"`{name}` must be a whole number of devices, not '{str(written)[:64]}'")
    return int(amount)


def _amount(written: object, name: str) -> Fraction:
    if isinstance(written, bool) or not isinstance(written, str | int | float):
        raise UnusableQuantityError(f"`{name}` must be a whole number of devices")
    try:
        return parse_quantity(written).amount
    except ValueError as error:
        raise UnusableQuantityError(str(error)) from error


def _need(
    container: Container,
    served: Served,
    count: int,
    shares: Sequence[_Share],
    selectors: Selectors,
    view: ClusterView,
) -> Need:
    main = served.resource
    assert isinstance(main, MainResource)
    own = () if main.selector is None else (main.selector.filled(main.meanings(served.captured)),)
    expressions = (*own, *selectors.get(served.mapping.name, ()))[:_MOST_SELECTORS]
    amounts: dict[str, tuple[Quantity, ...]] = {name: (quantity,) for name, quantity in main.capacity.items()}
    seen: set[str] = set()
    for share in shares:
        capacity = share.companion.capacity
        if capacity in seen:
            raise UnusableQuantityError(f"`{share.name}` must not stand beside another name for capacity `{capacity}`")
        seen.add(capacity)
        amounts[capacity] = _amounts(share, main.device_class_name, expressions, view)
    shapes = tuple(
        Shape(
            device_class_name=main.device_class_name,
            selectors=expressions,
            capacity=tuple(zip(sorted(amounts), chosen, strict=True)),
            constraints=tuple(canonical(entry) for entry in main.constraints),
            config=tuple(canonical(entry) for entry in main.config),
        )
        for chosen in product(*([str(quantity) for quantity in amounts[name]] for name in sorted(amounts)))
    )
    path = container.path.child("resources", "limits").key(served.name)
    companions = tuple((share.name, share.companion) for share in shares)
    return Need(served.name, served.mapping, path, count, shapes, companions)


def _amounts(
    share: _Share, device_class_name: str, expressions: Iterable[str], view: ClusterView
) -> tuple[Quantity, ...]:
    """Return the amounts that a companion may ask of each device, the least first."""
    companion = share.companion
    if not companion.percent:
        whole = companion.unit.amount * share.amount
        if whole > _MOST_AMOUNT:
            raise UnusableQuantityError(f"`{share.name}` must not ask for more than any device can have")
        return (Quantity(whole, companion.unit.format),)
    if share.amount > 100:
        raise UnusableQuantityError(f"`{share.name}` must be at most 100 percent, not {share.amount}")
    published = sorted(set(_published(companion.capacity, device_class_name, expressions, view)))
    if not published:
        raise UnusableQuantityError(
            f"`{share.name}` has no meaning: no known device of class '{device_class_name}' has `{companion.capacity}`"
        )
    least = (Quantity(Fraction(whole.amount * share.amount // 100), whole.format) for whole in published)
    return tuple(dict.fromkeys(least))


def _published(name: str, device_class_name: str, expressions: Iterable[str], view: ClusterView) -> Iterator[Quantity]:
    """Yield the amounts of a capacity that the devices publish which a request may get."""
    for device in devices_for(view, device_class_name, expressions):
        capacity = device.capacity.get(qualified(name, device.driver))
        if capacity is not None:
            yield capacity.value

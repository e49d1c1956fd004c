"""What the devices known now publish: names, types and values of attributes and capacities, by domain."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice

from webhook.core.device import AttributeValue, Make, VersionText
from webhook.core.rows import CellType

STANDARD_DOMAIN = "resource.kubernetes.io"
_AT_ONCE = 250
"""How many makes are counted before the time is asked for again."""
MOST_VALUES = 20_000
"""An attribute with more values tells one device from another; no more of them are counted."""


class AttributeSchema:
    """One attribute of a domain: its types, and its values, each with how many devices publish it.

    The values are counted when they are first asked for: an attribute like `uuid` has as many as there are devices.
    """

    def __init__(self, count: Callable[[], Mapping[AttributeValue, int]]) -> None:
        self.types: Counter[str] = Counter()
        self._count = count

    @cached_property
    def values(self) -> Mapping[AttributeValue, int]:
        return self._count()

    @property
    def is_whole(self) -> bool:
        """Whether the values are all that there are."""
        return len(self.values) <= MOST_VALUES

    @cached_property
    def texts(self) -> frozenset[str]:
        """The values that are strings, and no versions."""
        return frozenset(value for value in self.values if type(value) is str)


@dataclass(frozen=True, slots=True)
class DomainSchema:
    """What is published under one domain, by the name without the domain; `drivers` publish it."""

    domain: str
    drivers: set[str] = field(default_factory=set)
    attributes: dict[str, AttributeSchema] = field(default_factory=dict)
    capacities: Counter[str] = field(default_factory=Counter)


class Survey:
    """What all makes publish, counted in steps so that it can be left and gone on with; not for two threads at once.

    `domains` has every domain in which something is published, a driver's own always; `attributes_of` the qualified
    names of the attributes that devices of each driver publish. `values` counts the values of one of these.
    """

    def __init__(self, makes: Mapping[Make, int], values: Callable[[str], Mapping[AttributeValue, int]]) -> None:
        self.domains: dict[str, DomainSchema] = {}
        self.attributes_of: defaultdict[str, set[str]] = defaultdict(set)
        self._left = iter(makes.items())
        self._values = values

    def is_done(self, expired: Callable[[], bool]) -> bool:
        """Count as long as there is time; return whether all is counted."""
        while makes := tuple(islice(self._left, _AT_ONCE)):
            for make, count in makes:
                self._count(make, count)
            if expired():
                return False
        return True

    def _count(self, make: Make, count: int) -> None:
        self._domain(make.driver, make.driver)
        self.attributes_of[make.driver].update(make.layout.names)
        for name, kind in zip(make.layout.names, make.layout.types, strict=True):
            domain, _, bare = name.partition("/")
            attributes = self._domain(domain, make.driver).attributes
            if bare not in attributes:
                attributes[bare] = AttributeSchema(partial(self._values, name))
            attributes[bare].types[_name_of(kind)] += count
        for name in make.capacity:
            domain, _, bare = name.partition("/")
            self._domain(domain, make.driver).capacities[bare] += count

    def _domain(self, name: str, driver: str) -> DomainSchema:
        found = self.domains.get(name)
        if found is None:
            found = self.domains[name] = DomainSchema(name)
        found.drivers.add(driver)
        return found


_TYPES: Mapping[type, str] = {bool: "bool", int: "int", str: "string", VersionText: "version"}


def _name_of(kind: CellType) -> str:
    """Return the API's name of an attribute's type."""
    if isinstance(kind, tuple):
        return f"{_TYPES.get(kind[1], 'unknown')}s" if len(kind) > 1 else "list"
    return _TYPES[kind]

"""The driver catalogue: what a driver is documented to publish and to accept, by driver version.

The data are `policies/drivers/*.yaml`, one pack a driver, from the drivers' public documentation. What a pack says is
apart from what live ResourceSlices show: a rule that rests on both asks both (architecture 5, attribute schema).
Attribute and capacity names are qualified here, as in `devices.py`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from webhook.core.device import AttributeValue
from webhook.core.quantity import Quantity
from webhook.core.raw import EMPTY, RawObject

_RELEASE = re.compile(r"v?(\d+(?:\.\d+)*)(?:[-+].*)?")


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The driver versions that have a thing: from `since` to before `until`; empty means without bound."""

    since: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class CatalogueName:
    """What attributes and capacities have in common.

    `kinds` are the kinds of device (see `DeviceKind`) that publish it, empty for all; `optional` is True where a
    device of these kinds may lack it, or only one of the `optional_kinds`, where some are named. `gate` is the driver's
    feature gate that it needs. `source` says where it is documented, in words.
    """

    name: str
    kinds: frozenset[str] = frozenset()
    optional: bool = False
    lifetime: Lifetime = Lifetime()
    renamed_to: str = ""
    gate: str = ""
    source: str = ""
    optional_kinds: frozenset[str] = frozenset()

    def may_lack(self, kind: str) -> bool:
        """Return whether a device of a kind that publishes it need not have it."""
        return self.optional and (not self.optional_kinds or kind in self.optional_kinds)


@dataclass(frozen=True, slots=True)
class CatalogueAttribute(CatalogueName):
    """An attribute with its type (`bool`, `int`, `string`, `version`, or a plural for a list) and known values.

    `closed` says that no other value exists.
    """

    types: frozenset[str] = frozenset()
    values: tuple[AttributeValue, ...] = ()
    closed: bool = False


@dataclass(frozen=True, slots=True)
class CatalogueCapacity(CatalogueName):
    """A capacity; `aliases` are capacities that quotas count as the same one (qualified names)."""

    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """A kind of device of one driver, known by the values of some attributes (NVIDIA: `type == 'gpu'`)."""

    name: str
    marks: Mapping[str, AttributeValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Profile:
    """A partition that a model offers: its compute slices, memory, and at which memory slices it may start.

    `memory` is what its name says, `width` how many memory slices it occupies, `most` how many of it fit on one
    device; 0, or no starts, where that is not documented.
    """

    name: str
    slices: int
    memory: Quantity | None = None
    starts: tuple[int, ...] = ()
    width: int = 0
    most: int = 0


@dataclass(frozen=True, slots=True)
class Model:
    """A product (the values of `productName` that name it) and how it divides.

    `slices` are its compute slices, `memory_slices` its memory slices; `memory` is the size it is sold by.
    """

    products: tuple[str, ...]
    slices: int = 0
    memory: Quantity | None = None
    profiles: tuple[Profile, ...] = ()
    memory_slices: int = 0
    source: str = ""


@dataclass(frozen=True, slots=True)
class ConfigKind:
    """A kind of opaque configuration: its JSON Schema, the kinds of device that it is for, gates by field value.

    `gates` are pairs of a path with the value that needs a gate (`sharing.strategy=MPS`) and the gate's name.
    """

    api_version: str
    kind: str
    schema: RawObject = field(default_factory=lambda: EMPTY)
    kinds: frozenset[str] = frozenset()
    gates: tuple[tuple[str, str], ...] = ()
    lifetime: Lifetime = Lifetime()
    source: str = ""


class MistakeKind(Enum):
    """Where a known mistake stands."""

    DOMAIN = "domain"
    ATTRIBUTE = "attribute"
    CAPACITY = "capacity"
    VALUE = "value"
    PROFILE = "profile"
    CONFIG = "config"


@dataclass(frozen=True, slots=True)
class KnownMistake:
    """A wrong name or value that people write, and the right one (contract 4); `of` names the attribute of a value."""

    kind: MistakeKind
    wrong: str
    right: str
    of: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class DriverPack:
    """All that is documented of one driver; `version` is the newest driver version that the pack knows.

    `former` are release lines of an older numbering with the versions that they count as (`25.8` is `0.2`).
    `is_driver` is False for a domain of standard attributes, which drivers of any name publish. `partial`: a driver of
    this name may publish, and take, more than the pack knows.
    """

    driver: str
    title: str = ""
    version: str = ""
    kinds: tuple[DeviceKind, ...] = ()
    attributes: Mapping[str, CatalogueAttribute] = field(default_factory=dict)
    capacities: Mapping[str, CatalogueCapacity] = field(default_factory=dict)
    models: tuple[Model, ...] = ()
    configs: tuple[ConfigKind, ...] = ()
    mistakes: tuple[KnownMistake, ...] = ()
    gates: Mapping[str, Lifetime] = field(default_factory=dict)
    default_on: frozenset[str] = frozenset()
    former: Mapping[str, str] = field(default_factory=dict)
    is_driver: bool = True
    partial: bool = False


@dataclass(frozen=True, slots=True)
class StatedDriver:
    """A driver's version and feature gates as the operator stated them (`--driver`, settings `drivers`)."""

    version: str = ""
    gates: Mapping[str, bool] = field(default_factory=dict)


Release = tuple[int, ...]
"""A driver version that can be compared: its numbers."""


def release(version: str, former: Mapping[str, str] | None = None) -> Release | None:
    """Return a version as its numbers, one of an older numbering as that which it counts as; None if it is none."""
    found = _RELEASE.fullmatch(version)
    if found is None:
        return None
    numbers = _numbers(found[1])
    for old, new in (former or {}).items():
        line = _numbers(old)
        if numbers[: len(line)] == line:
            return (*_numbers(new), *numbers[len(line) :])
    return numbers


def _numbers(text: str) -> Release:
    return tuple(int(part) for part in text.split("."))

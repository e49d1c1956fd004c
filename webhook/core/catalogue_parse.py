"""From the YAML of `policies/drivers/` to a DriverPack. Pure; what does not fit is a BrokenPackError.

Names without a domain belong to the driver's own, as in ResourceSlices. `source` is a key of the pack's `sources`,
so that each fact says where it is documented without repeating it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from webhook.core.capacities import qualified
from webhook.core.catalogue import (
    CatalogueAttribute,
    CatalogueCapacity,
    ConfigKind,
    DeviceKind,
    DriverPack,
    KnownMistake,
    Lifetime,
    MistakeKind,
    Model,
    Profile,
    release,
)
from webhook.core.device import AttributeValue, VersionText
from webhook.core.quantity import Quantity, parse_quantity
from webhook.core.raw import RawObject

TYPES = frozenset({"bool", "int", "string", "version", "bools", "ints", "strings", "versions"})

_Value = TypeVar("_Value")


class BrokenPackError(ValueError):
    """A pack does not have the form."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A mapping of the file, its place in words, and what was read of it, so that nothing is left over unread."""

    raw: RawObject
    place: str
    known: frozenset[str]

    def __post_init__(self) -> None:
        if not isinstance(self.raw, dict):
            raise BrokenPackError(f"{self.place}: must be a mapping")
        unknown = sorted(set(self.raw) - self.known)
        if unknown:
            raise BrokenPackError(f"{self.place}: `{unknown[0]}` is not known")

    def text(self, name: str, default: str | None = "") -> str:
        value = self.raw.get(name, default)
        if not isinstance(value, str):
            raise BrokenPackError(f"{self.place}: `{name}` must be a string")
        return value

    def version(self, name: str) -> str:
        value = self.text(name)
        if value and release(value) is None:
            raise BrokenPackError(f"{self.place}: `{name}` must be a version, not '{value}'")
        return value

    def integer(self, name: str) -> int:
        value = self.raw.get(name, 0)
        if not isinstance(value, int) or isinstance(value, bool):
            raise BrokenPackError(f"{self.place}: `{name}` must be an integer")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.raw.get(name, default)
        if not isinstance(value, bool):
            raise BrokenPackError(f"{self.place}: `{name}` must be true or false")
        return value

    def mapping(self, name: str) -> RawObject:
        value = self.raw.get(name) or {}
        if not isinstance(value, dict):
            raise BrokenPackError(f"{self.place}: `{name}` must be a mapping")
        return value

    def items(self, name: str) -> list[Any]:
        value = self.raw.get(name) or []
        if not isinstance(value, list):
            raise BrokenPackError(f"{self.place}: `{name}` must be a list")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        value = self.items(name)
        if not all(isinstance(item, str) for item in value):
            raise BrokenPackError(f"{self.place}: `{name}` must be a list of strings")
        return tuple(value)

    def quantity(self, name: str) -> Quantity | None:
        value = self.text(name)
        return parse_quantity(value) if value else None

    def lifetime(self) -> Lifetime:
        return Lifetime(self.version("since"), self.version("until"))

    def source(self, sources: Mapping[str, str]) -> str:
        key = self.text("source")
        if key and key not in sources:
            raise BrokenPackError(f"{self.place}: `source` must be one of the pack's `sources`, not '{key}'")
        return sources.get(key, "")


def parse_pack(raw: RawObject) -> DriverPack:
    """Return the pack of a decoded file; BrokenPackError where it does not have the form."""
    known = frozenset(
        {
            "driver",
            "title",
            "version",
            "former",
            "isDriver",
            "partial",
            "sources",
            "kinds",
            "attributes",
            "capacities",
            "models",
        }
        | {"configs", "mistakes", "gates", "defaultOn"}
    )
    top = _Entry(raw, "pack", known)
    driver = top.text("driver", None)
    kinds = tuple(DeviceKind(name, _marks(marks, driver)) for name, marks in top.mapping("kinds").items())
    of = _Context(driver, _texts(top.mapping("sources")), frozenset(kind.name for kind in kinds))
    return DriverPack(
        driver=driver,
        title=top.text("title"),
        version=top.version("version"),
        kinds=kinds,
        attributes=dict(of.named(top.mapping("attributes"), "attribute", _attribute)),
        capacities=dict(of.named(top.mapping("capacities"), "capacity", _capacity)),
        models=tuple(_model(entry, of) for entry in top.items("models")),
        configs=tuple(_config(entry, of) for entry in top.items("configs")),
        mistakes=tuple(_mistake(entry) for entry in top.items("mistakes")),
        gates={
            name: _Entry(entry, f"gate {name}", _LIFETIME).lifetime() for name, entry in top.mapping("gates").items()
        },
        default_on=frozenset(top.texts("defaultOn")),
        former=_texts(top.mapping("former")),
        is_driver=top.flag("isDriver", default=True),
        partial=top.flag("partial"),
    )


_LIFETIME = frozenset({"since", "until"})
_NAMED = _LIFETIME | {"kinds", "optional", "renamedTo", "gate", "source"}


@dataclass(frozen=True, slots=True)
class _Context:
    """What the entries of a pack refer to."""

    driver: str
    sources: Mapping[str, str]
    kinds: frozenset[str]

    def named(
        self, entries: RawObject, word: str, parse: Callable[[str, RawObject, "_Context"], _Value]
    ) -> Iterator[tuple[str, _Value]]:
        for name, entry in entries.items():
            yield qualified(name, self.driver), parse(f"{word} {name}", entry, self)

    def shared(self, entry: _Entry) -> dict[str, Any]:
        """Return the fields that attributes and capacities share, but for the name."""
        optional_kinds = (
            self.kinds_of(entry, "optional") if isinstance(entry.raw.get("optional"), list) else frozenset()
        )
        return {
            "kinds": self.kinds_of(entry),
            "optional": bool(optional_kinds) or entry.flag("optional"),
            "optional_kinds": optional_kinds,
            "lifetime": entry.lifetime(),
            "renamed_to": qualified(entry.text("renamedTo"), self.driver) if entry.text("renamedTo") else "",
            "gate": entry.text("gate"),
            "source": entry.source(self.sources),
        }

    def kinds_of(self, entry: _Entry, field: str = "kinds") -> frozenset[str]:
        found = frozenset(entry.texts(field))
        if not found <= self.kinds:
            raise BrokenPackError(f"{entry.place}: `{field}` must be kinds of the pack")
        return found


def _attribute(place: str, raw: RawObject, of: _Context) -> CatalogueAttribute:
    entry = _Entry(raw, place, _NAMED | {"type", "types", "values", "closed"})
    types = frozenset((*entry.texts("types"), *([entry.text("type")] if entry.text("type") else [])))
    if not types <= TYPES:
        raise BrokenPackError(f"{place}: `type` must be one of {', '.join(sorted(TYPES))}")
    return CatalogueAttribute(
        name=qualified(place.split(" ", 1)[1], of.driver),
        types=types,
        values=tuple(_value(value, types) for value in entry.items("values")),
        closed=entry.flag("closed"),
        **of.shared(entry),
    )


def _capacity(place: str, raw: RawObject, of: _Context) -> CatalogueCapacity:
    entry = _Entry(raw, place, _NAMED | {"aliases"})
    return CatalogueCapacity(
        name=qualified(place.split(" ", 1)[1], of.driver),
        aliases=tuple(qualified(name, of.driver) for name in entry.texts("aliases")),
        **of.shared(entry),
    )


def _value(value: Any, types: frozenset[str]) -> AttributeValue:
    if types == {"version"}:
        return VersionText(value)
    if not isinstance(value, bool | int | str):
        raise BrokenPackError(f"'{value}' must be a bool, an int or a string")
    return value


def _marks(raw: RawObject, driver: str) -> Mapping[str, AttributeValue]:
    return {qualified(name, driver): _value(value, frozenset()) for name, value in raw.items()}


def _model(raw: RawObject, of: _Context) -> Model:
    entry = _Entry(raw, "model", frozenset({"products", "slices", "memory", "memorySlices", "profiles", "source"}))
    return Model(
        products=entry.texts("products"),
        slices=entry.integer("slices"),
        memory=entry.quantity("memory"),
        profiles=tuple(_profile(profile) for profile in entry.items("profiles")),
        memory_slices=entry.integer("memorySlices"),
        source=entry.source(of.sources),
    )


def _profile(raw: RawObject) -> Profile:
    entry = _Entry(raw, "profile", frozenset(field.name for field in fields(Profile)))
    return Profile(
        name=entry.text("name", None),
        slices=entry.integer("slices"),
        memory=entry.quantity("memory"),
        starts=tuple(entry.items("starts")),
        width=entry.integer("width"),
        most=entry.integer("most"),
    )


def _config(raw: RawObject, of: _Context) -> ConfigKind:
    entry = _Entry(raw, "config", _LIFETIME | {"apiVersion", "kind", "schema", "kinds", "gates", "source"})
    return ConfigKind(
        api_version=entry.text("apiVersion", None),
        kind=entry.text("kind", None),
        schema=entry.mapping("schema"),
        kinds=of.kinds_of(entry),
        gates=tuple(_texts(entry.mapping("gates")).items()),
        lifetime=entry.lifetime(),
        source=entry.source(of.sources),
    )


def _mistake(raw: RawObject) -> KnownMistake:
    entry = _Entry(raw, "mistake", frozenset(field.name for field in fields(KnownMistake)))
    return KnownMistake(
        kind=MistakeKind(entry.text("kind", None)),
        wrong=entry.text("wrong", None),
        right=entry.text("right", None),
        of=entry.text("of"),
        why=entry.text("why"),
    )


def _texts(raw: RawObject) -> Mapping[str, str]:
    for name, value in raw.items():
        if not isinstance(value, str):
            raise BrokenPackError(f"`{name}` must be a string")
    return raw

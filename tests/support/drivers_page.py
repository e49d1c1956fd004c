"""The page of the driver catalogue, written from the packs."""

import json
from collections.abc import Iterator
from typing import Any

from webhook.core.catalogue import CatalogueAttribute, CatalogueCapacity, DriverPack, Model
from webhook.kube.shipped import shipped_catalogue

_MOST_EXAMPLES = 12  # of values where there are others
_INTRODUCTION = """# Drivers

What drivers are documented to publish and to take, by driver version: the data of `policies/drivers`.
A name that a driver's catalogue does not have is refused, unless a live device has it or the driver is newer.
A catalogue that is *partial* says less: a driver of this name may publish more.

`--driver NAME=VERSION[,Gate=true...]` (or `drivers` in the settings) states a driver's version and feature gates.
Else live devices tell the version where they can, and names of any version are known.
"""


def drivers_page() -> str:
    """Return the page, drivers first, then domains of standard attributes."""
    packs = sorted(shipped_catalogue().values(), key=lambda pack: (not pack.is_driver, pack.driver))
    return _INTRODUCTION + "".join(f"\n{_section(pack)}" for pack in packs)


def _section(pack: DriverPack) -> str:
    return "\n".join(
        part
        for part in (
            f"## {pack.driver}\n\n{_about(pack)}\n",
            _table(
                ("attribute", "type", "of", "values", "note"), [_attribute(e, pack) for e in pack.attributes.values()]
            ),
            _table(("capacity", "of", "note"), [_capacity(entry, pack) for entry in pack.capacities.values()]),
            _table(("model", "slices", "memory", "profiles (at most)"), [_model(model) for model in pack.models]),
            _table(("configuration", "kind", "fields", "needs"), list(_configs(pack))),
            _table(("feature gate", "since", "default"), list(_gates(pack))),
            _table(("written", "meant", "why"), list(_mistakes(pack))),
        )
        if part
    )


def _about(pack: DriverPack) -> str:
    version = f", to version {pack.version}" if pack.version and pack.is_driver else ""
    former = ", ".join(f"{old} is {new}" for old, new in pack.former.items())
    said = [f"{pack.title}{version}{' (partial)' if pack.partial else ''}."]
    said += [f"Releases of the older numbering: {former}."] if former else []
    return "\n".join(said)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |\n" for row in lines)


def _name(entry: CatalogueAttribute | CatalogueCapacity, pack: DriverPack) -> str:
    return f"`{entry.name.removeprefix(f'{pack.driver}/')}`"


def _attribute(entry: CatalogueAttribute, pack: DriverPack) -> tuple[str, ...]:
    shown = entry.values if entry.closed else entry.values[:_MOST_EXAMPLES]
    values = ", ".join(f"`{value}`" for value in shown)
    return (
        _name(entry, pack),
        " or ".join(sorted(entry.types)),
        _kinds(entry, pack),
        values and f"{values}{'' if entry.closed else ' ...'}",
        _note(entry),
    )


def _capacity(entry: CatalogueCapacity, pack: DriverPack) -> tuple[str, ...]:
    same = ", ".join(f"`{name.rpartition('/')[2]}`" for name in entry.aliases)
    return (
        _name(entry, pack),
        _kinds(entry, pack),
        "; ".join(filter(None, (same and f"the same as {same}", _note(entry)))),
    )


def _kinds(entry: CatalogueAttribute | CatalogueCapacity, pack: DriverPack) -> str:
    return ", ".join(kind.name for kind in pack.kinds if kind.name in entry.kinds)


def _note(entry: CatalogueAttribute | CatalogueCapacity) -> str:
    since, until = entry.lifetime.since, entry.lifetime.until
    parts = (
        f"since {since}" if since else "",
        f"before {until}" if until else "",
        f"now `{entry.renamed_to}`" if entry.renamed_to else "",
        f"gate `{entry.gate}`" if entry.gate else "",
        _optional(entry),
        entry.source,
    )
    return "; ".join(filter(None, parts))


def _optional(entry: CatalogueAttribute | CatalogueCapacity) -> str:
    if not entry.optional or entry.gate:
        return ""
    return " ".join(("optional", *(f"({kind})" for kind in sorted(entry.optional_kinds))))


def _model(model: Model) -> tuple[str, ...]:
    profiles = ", ".join(f"`{profile.name}` ({profile.most})" for profile in model.profiles)
    return ", ".join(model.products), str(model.slices), str(model.memory), profiles


def _configs(pack: DriverPack) -> Iterator[tuple[str, ...]]:
    for config in pack.configs:
        fields = ", ".join(_fields(config.schema, "")) or "none"
        gates = ", ".join(f"`{gate}`{f' for `{condition}`' if condition else ''}" for condition, gate in config.gates)
        yield config.api_version or "(without apiVersion)", config.kind or "(without kind)", fields, gates


def _fields(schema: dict[str, Any] | Any, above: str) -> Iterator[str]:
    for name, inner in schema.get("properties", {}).items():
        place = f"{above}.{name}" if above else name
        if isinstance(inner, dict) and inner.get("properties"):
            yield from _fields(inner, place)
        else:
            choices = inner.get("enum", ()) if isinstance(inner, dict) else ()
            yield f"`{place}`{' (' + ', '.join(map(_written, choices)) + ')' if choices else ''}"


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _gates(pack: DriverPack) -> Iterator[tuple[str, ...]]:
    for name, lifetime in pack.gates.items():
        yield f"`{name}`", lifetime.since, "on" if name in pack.default_on else "off"


def _mistakes(pack: DriverPack) -> Iterator[tuple[str, ...]]:
    for mistake in pack.mistakes:
        of = f" of `{mistake.of}`" if mistake.of else ""
        yield f"{mistake.kind.value}{of} `{mistake.wrong}`", f"`{mistake.right}`", mistake.why

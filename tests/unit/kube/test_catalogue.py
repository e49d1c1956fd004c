"""The shipped catalogue: every fact has a type and a source, and nothing in a pack contradicts the rest of it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from webhook.core.catalogue import DriverPack, MistakeKind, Model, Profile, release
from webhook.core.catalogue_parse import BrokenPackError, parse_pack
from webhook.core.device import AttributeValue, VersionText
from webhook.core.json_schema import checked_schema
from webhook.kube.shipped import Catalogue, shipped_catalogue

CATALOGUE = shipped_catalogue()
PACKS = [pytest.param(CATALOGUE[key], id=key) for key in CATALOGUE]
PACKS_BY_ID = list(CATALOGUE)
TYPES: dict[type[AttributeValue], str] = {bool: "bool", int: "int", str: "string", VersionText: "version"}


def test_the_drivers_that_drawbridge_speaks_of_have_a_pack() -> None:
    assert {"gpu.nvidia.com", "compute-domain.nvidia.com", "tpu.google.com", "gpu.amd.com", "gpu.intel.com"} <= set(
        CATALOGUE
    )
    assert {"gpu.example.com", "hami-core-gpu.project-hami.io", "dra.net", "resource.kubernetes.io"} <= set(CATALOGUE)


@pytest.mark.parametrize("key", PACKS_BY_ID)
def test_a_file_is_named_after_its_driver(key: str) -> None:
    assert CATALOGUE[key].driver == key
    assert CATALOGUE[key].title


@pytest.mark.parametrize("pack", PACKS)
def test_every_attribute_has_a_type_and_a_source_and_every_capacity_a_source(pack: DriverPack) -> None:
    assert [name for name, entry in pack.attributes.items() if not entry.types or not entry.source] == []
    assert [name for name, entry in pack.capacities.items() if not entry.source] == []
    assert [name for name, entry in (*pack.attributes.items(), *pack.capacities.items()) if entry.name != name] == []


@pytest.mark.parametrize("pack", PACKS)
def test_values_are_of_their_attributes_type_and_closed_ones_are_listed(pack: DriverPack) -> None:
    for entry in pack.attributes.values():
        assert {TYPES[type(value)] for value in entry.values} <= entry.types, entry.name
        assert len(set(entry.values)) == len(entry.values), entry.name
        assert entry.values or not entry.closed, entry.name


@pytest.mark.parametrize("pack", PACKS)
def test_kinds_are_told_apart_by_values_that_their_attribute_has(pack: DriverPack) -> None:
    for kind in pack.kinds:
        for name, value in kind.marks.items():
            assert value in pack.attributes[name].values, kind.name
    assert len({tuple(kind.marks.items()) for kind in pack.kinds}) == len(pack.kinds)


@pytest.mark.parametrize("pack", PACKS)
def test_versions_are_versions_in_order(pack: DriverPack) -> None:
    newest = release(pack.version, pack.former)
    named = (*pack.attributes.values(), *pack.capacities.values())
    lifetimes = [*(entry.lifetime for entry in named), *(config.lifetime for config in pack.configs)]
    for lifetime in (*lifetimes, *pack.gates.values()):
        since, until = release(lifetime.since, pack.former), release(lifetime.until, pack.former)
        assert not (since and until) or since < until
        assert all(newest is not None and bound <= newest for bound in (since, until) if bound)


@pytest.mark.parametrize("pack", PACKS)
def test_what_is_renamed_has_its_new_name_in_the_pack(pack: DriverPack) -> None:
    for entry in (*pack.attributes.values(), *pack.capacities.values()):
        assert not entry.renamed_to or entry.renamed_to in {**pack.attributes, **pack.capacities}, entry.name
    for capacity in pack.capacities.values():
        assert set(capacity.aliases) <= set(pack.capacities)


@pytest.mark.parametrize("pack", PACKS)
def test_gates_that_entries_and_configurations_need_are_gates_of_the_driver(pack: DriverPack) -> None:
    needed = {entry.gate for entry in (*pack.attributes.values(), *pack.capacities.values()) if entry.gate}
    needed |= {gate for config in pack.configs for _, gate in config.gates} | pack.default_on
    assert needed <= set(pack.gates)


@pytest.mark.parametrize("pack", PACKS)
def test_the_right_name_of_every_mistake_exists_and_the_wrong_one_does_not(pack: DriverPack) -> None:
    for mistake in pack.mistakes:
        rights, wrongs = known_names(pack, mistake.kind, mistake.of)
        assert mistake.right in rights, mistake
        assert mistake.wrong not in wrongs, mistake
    seen = [(mistake.kind, mistake.wrong, mistake.of) for mistake in pack.mistakes]
    assert len(set(seen)) == len(seen)


def known_names(pack: DriverPack, kind: MistakeKind, of: str) -> tuple[set[str], set[str]]:
    """Return the names that a mistake may be mended to, and those that are none in the newest version."""
    match kind:
        case MistakeKind.DOMAIN:
            return set(CATALOGUE), set(CATALOGUE)
        case MistakeKind.ATTRIBUTE | MistakeKind.CAPACITY:
            entries = pack.attributes if kind is MistakeKind.ATTRIBUTE else pack.capacities
            names = {name.removeprefix(f"{pack.driver}/"): entry for name, entry in entries.items()}
            return set(names), {name for name, entry in names.items() if not entry.lifetime.until}
        case MistakeKind.VALUE:
            values = {str(value) for value in pack.attributes[f"{pack.driver}/{of}"].values}
            return values, values
        case MistakeKind.PROFILE:
            profiles = {profile.name for model in pack.models for profile in model.profiles}
            return profiles, profiles
        case MistakeKind.CONFIG:
            configs = {text for config in pack.configs for text in (config.api_version, config.kind)}
            return configs, configs


@pytest.mark.parametrize("pack", PACKS)
def test_every_configuration_has_a_source_and_a_schema_that_the_validator_understands(pack: DriverPack) -> None:
    for config in pack.configs:
        assert config.source
        assert checked_schema(config.schema) is None, config.kind
    assert len({(config.api_version, config.kind) for config in pack.configs}) == len(pack.configs)


def models() -> Iterator[object]:
    for pack in CATALOGUE.values():
        for model in pack.models:
            yield pytest.param(pack, model, id=model.products[0])


@pytest.mark.parametrize(("pack", "model"), list(models()))
def test_every_profile_of_a_model_fits_on_it(pack: DriverPack, model: Model) -> None:
    assert model.source
    assert model.slices > 0
    assert model.memory is not None
    assert len({profile.name for profile in model.profiles}) == len(model.profiles)
    assert max(profile.slices for profile in model.profiles) == model.slices
    for profile in model.profiles:
        assert profile.name.startswith(f"{profile.slices}g."), profile
        assert 0 < profile.width <= model.memory_slices, profile
        assert all(0 <= start <= model.memory_slices - profile.width for start in profile.starts), profile
        assert 1 <= profile.most <= model.memory_slices // profile.width, profile
        assert not profile.starts or profile.most <= most_at_once(profile), profile
        assert profile.memory is not None
        assert profile.memory <= model.memory or profile.slices == model.slices, profile
    products = [product for other in pack.models for product in other.products]
    assert set(products) <= set(pack.attributes[f"{pack.driver}/productName"].values)
    assert len(set(products)) == len(products)


def most_at_once(profile: Profile) -> int:
    """Return how many of a profile fit beside each other."""
    taken: set[int] = set()
    count = 0
    for start in sorted(profile.starts):
        slots = {start + offset for offset in range(profile.width)}
        if not slots & taken:
            taken |= slots
            count += 1
    return count


def test_a_pack_is_read_when_it_is_asked_for_and_once(tmp_path: Path) -> None:
    (tmp_path / "a.example.com.yaml").write_text("driver: a.example.com\ntitle: A\n")
    (tmp_path / "b.example.com.yaml").write_text("broken: [")
    catalogue = Catalogue(tmp_path)
    assert list(catalogue) == ["a.example.com", "b.example.com"]
    assert "b.example.com" in catalogue
    assert catalogue["a.example.com"] is catalogue["a.example.com"]
    assert catalogue.get("c.example.com") is None


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"attributes": {"a": {"type": "text"}}}, "attribute a: `type` must be one of"),
        ({"attributes": {"a": {"tpye": "string"}}}, "attribute a: `tpye` is not known"),
        (
            {"attributes": {"a": {"type": "string", "since": "soon"}}},
            "attribute a: `since` must be a version, not 'soon'",
        ),
        ({"attributes": {"a": {"type": "string", "source": "x"}}}, "attribute a: `source` must be one of the pack's"),
        ({"attributes": {"a": {"type": "string", "kinds": ["x"]}}}, "attribute a: `kinds` must be kinds of the pack"),
        ({"capacities": {"a": {"optional": "yes"}}}, "capacity a: `optional` must be true or false"),
        ({"capacities": {"a": {"optional": ["x"]}}}, "capacity a: `optional` must be kinds of the pack"),
        ({"models": [{"products": ["A"], "slices": "7"}]}, "model: `slices` must be an integer"),
        ({"drivers": {}}, "pack: `drivers` is not known"),
    ],
)
def test_a_pack_that_does_not_have_the_form_is_told_apart(change: dict[str, object], problem: str) -> None:
    with pytest.raises(BrokenPackError, match=f"^{re.escape(problem)}"):
        parse_pack({"driver": "a.example.com", **change})

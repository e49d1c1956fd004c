"""What is known of a driver's names: the catalogue, of the version that is stated or inferred, and live devices."""

from dataclasses import replace

import pytest

from tests.support.build import device, make_slice, make_view
from webhook.cel.inspect import AccessKind
from webhook.core.catalogue import DriverPack, Lifetime, MistakeKind, StatedDriver, release
from webhook.core.catalogue_parse import parse_pack
from webhook.core.cluster import ClusterView
from webhook.inventory.knowledge import DomainKnowledge, Versions, knowledge_of

DRIVER = "gpu.example.com"
PACK = parse_pack(
    {
        "driver": DRIVER,
        "version": "0.4",
        "former": {"25.3": "0.1", "25.8": "0.2"},
        "sources": {"page": "a page"},
        "kinds": {"gpu": {"type": "gpu"}, "part": {"type": "part"}},
        "attributes": {
            "type": {"type": "string", "source": "page"},
            "index": {"type": "int", "kinds": ["gpu"], "until": "0.2", "source": "page"},
            "busId": {"type": "string", "optional": True, "until": "0.3", "renamedTo": "busID", "source": "page"},
            "busID": {"type": "string", "optional": True, "since": "0.3", "source": "page"},
        },
        "capacities": {"memory": {"source": "page"}},
        "mistakes": [{"kind": "attribute", "wrong": "kind", "right": "type"}],
        "gates": {"Sharing": {"since": "0.2"}, "Naming": {}},
        "defaultOn": ["Naming"],
    }
)


def known(*devices: dict[str, object], version: str = "", pack: DriverPack | None = PACK) -> DomainKnowledge:
    found = knowledge_of(view(*devices, version=version, pack=pack)).domain(DRIVER)
    assert found is not None
    return found


def view(*devices: dict[str, object], version: str = "", pack: DriverPack | None = PACK) -> ClusterView:
    slices = [make_slice(*devices)] if devices else []
    catalogue = {} if pack is None else {DRIVER: pack}
    return make_view(*slices, catalogue=catalogue, drivers={DRIVER: StatedDriver(version)} if version else {})


def test_without_a_version_the_names_of_every_version_are_known() -> None:
    assert set(known().attributes) == {"type", "index", "busId", "busID"}


@pytest.mark.parametrize(
    ("version", "names"),
    [
        ("0.1.2", {"type", "index", "busId"}),
        ("v25.3.1", {"type", "index", "busId"}),
        ("25.8.0", {"type", "busId"}),
        ("0.2", {"type", "busId"}),
        ("0.3.0-rc.1", {"type", "busID"}),
        ("0.4.9", {"type", "busID"}),
    ],
)
def test_a_stated_version_has_the_names_of_its_time(version: str, names: set[str]) -> None:
    found = known(version=version)
    assert set(found.attributes) == names
    assert found.is_catalogued


@pytest.mark.parametrize("version", ["0.5", "1.0", "v26.1.0"])
def test_a_driver_newer_than_its_pack_may_have_any_name(version: str) -> None:
    found = known(version=version)
    assert found.newer
    assert not found.is_catalogued


def test_a_driver_may_be_newer_than_a_pack_that_tells_no_version() -> None:
    pack = replace(PACK, version="")
    assert known(pack=pack).is_catalogued
    assert known(version="0.1", pack=pack).newer


def test_a_name_that_came_later_tells_the_lowest_version() -> None:
    found = known(device("a", type="gpu", busID="x"))
    assert found.versions == Versions(low=(0, 3))
    assert "busId" not in found.attributes


def test_a_name_that_was_dropped_tells_the_highest_version() -> None:
    found = known(device("a", type="gpu", index=0))
    assert found.versions == Versions(high=(0, 2))
    assert "busID" not in found.attributes


def test_the_lack_of_a_name_that_every_device_had_tells_that_it_was_dropped() -> None:
    assert known(device("a", type="gpu")).versions == Versions(low=(0, 2))


def test_the_lack_of_a_name_that_devices_of_this_kind_never_had_tells_nothing() -> None:
    assert known(device("a", type="part")).versions == Versions()


def test_two_versions_at_once_tell_nothing() -> None:
    found = known(device("a", type="gpu", index=0), device("b", type="gpu", busID="x"))
    assert found.versions == Versions()
    assert set(found.attributes) == {"type", "index", "busId", "busID"}


def test_live_names_are_known_beside_the_catalogue() -> None:
    found = known(device("a", {"cores": "4"}, type="gpu", extra=True), version="0.4")
    assert set(found.attributes) == {"type", "busID", "extra"}
    assert found.attributes["extra"].types == {"bool"}
    assert set(found.capacities) == {"memory", "cores"}
    assert (found.capacities["memory"].live, found.capacities["cores"].live) == (0, 1)


def test_a_type_seen_and_a_type_documented_are_both_known() -> None:
    assert known(device("a", type=3)).attributes["type"].types == {"string", "int"}


def test_a_driver_without_a_pack_is_known_by_its_devices_alone() -> None:
    found = known(device("a", model="x"), pack=None)
    assert not found.is_catalogued
    assert set(found.names(AccessKind.ATTRIBUTES)) == {"model"}


def test_a_domain_of_which_nothing_is_known_is_no_domain() -> None:
    assert knowledge_of(make_view()).domain("unheard.example.com") is None


def test_a_name_of_another_version_tells_what_became_of_it() -> None:
    entry = known(version="0.4").dropped(AccessKind.ATTRIBUTES, "busId")
    assert entry is not None
    assert entry.renamed_to == f"{DRIVER}/busID"
    assert known(version="0.4").dropped(AccessKind.ATTRIBUTES, "busID") is None


def test_a_known_mistake_is_found_by_what_was_written() -> None:
    mistake = known().mistake(MistakeKind.ATTRIBUTE, "kind")
    assert mistake is not None
    assert mistake.right == "type"
    assert known().mistake(MistakeKind.CAPACITY, "kind") is None


def test_gates_are_as_stated_else_as_documented() -> None:
    stated = make_view(catalogue={DRIVER: PACK}, drivers={DRIVER: StatedDriver("0.4", {"Sharing": True})})
    assert [knowledge_of(stated).gate(DRIVER, name) for name in ("Sharing", "Naming", "Other")] == [True, True, None]
    assert [knowledge_of(view()).gate(DRIVER, name) for name in ("Sharing", "Naming")] == [False, True]


def test_versions_of_two_numberings_are_compared() -> None:
    assert release("v25.8.1", PACK.former) == (0, 2, 1)
    assert release("0.2.1-dev+5") == (0, 2, 1)
    assert release("latest") is None
    assert Versions(low=(0, 2)).meets(Lifetime(until="0.3"), {})

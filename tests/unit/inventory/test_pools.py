"""Which devices count: those of the newest complete generation of each pool."""

import gc
import weakref
from dataclasses import replace

from tests.support.build import device, make_slice
from webhook.core.cluster import Node
from webhook.core.devices import ResourceSlice, parse_slice
from webhook.inventory.inventory import Inventory
from webhook.inventory.pools import places_in
from webhook.inventory.reach import reach_of


def names(*slices: ResourceSlice) -> list[str]:
    return [device.name for device in Inventory({str(number): one for number, one in enumerate(slices)}, {}).devices]


def test_an_older_generation_does_not_count() -> None:
    assert names(make_slice(device("old")), make_slice(device("new"), generation=2)) == ["new"]


def test_an_incomplete_newer_generation_leaves_the_complete_older_one() -> None:
    assert names(make_slice(device("old")), make_slice(device("new"), generation=2, count=2)) == ["old"]


def test_a_pool_that_was_never_complete_has_no_devices() -> None:
    assert names(make_slice(device("only"), count=2)) == []


def test_pools_of_different_drivers_may_share_a_name() -> None:
    assert sorted(names(make_slice(device("a")), make_slice(device("b"), driver="other.example.com"))) == ["a", "b"]


def test_reach_by_node_selector_asks_labels_and_names() -> None:
    part = ResourceSlice(
        "s",
        "d",
        "p",
        1,
        1,
        (),
        node_selector={
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]},
                {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n9"]}]},
                {},
            ]
        },
    )
    reach = reach_of(part)
    assert reach.includes(Node("n1", {"zone": "a"}, {}))
    assert reach.includes(Node("n9", {}, {}))
    assert not reach.includes(Node("n2", {"zone": "b"}, {}))


def test_reach_compares_integers_with_gt_and_lt() -> None:
    terms = [{"matchExpressions": [{"key": "slots", "operator": "Gt", "values": ["3"]}]}]
    reach = reach_of(ResourceSlice("s", "d", "p", 1, 1, (), node_selector={"nodeSelectorTerms": terms}))
    assert reach.includes(Node("n", {"slots": "4"}, {}))
    assert not reach.includes(Node("n", {"slots": "3"}, {}))
    assert not reach.includes(Node("n", {"slots": "many"}, {}))


def test_a_device_says_its_own_nodes_where_the_slice_leaves_it_to_devices() -> None:
    part = parse_slice(
        {
            "metadata": {"name": "s"},
            "spec": {
                "driver": "d",
                "perDeviceNodeSelection": True,
                "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1},
                "devices": [{"name": "a", "nodeName": "n1"}, {"name": "b", "allNodes": True}],
            },
        }
    )
    found = {device.name: place.reach for device, place in zip(part.devices, places_in(part), strict=True)}
    assert found["a"].node_name == "n1"
    assert found["b"].all_nodes


def test_the_schema_counts_types_and_values_by_domain() -> None:
    part = make_slice(
        device("a", {"memory": "40Gi"}, model="A100", index=0),
        device("b", {"memory": "80Gi"}, model="H100", index="zero"),
    )
    domains = Inventory({part.name: part}, {}).domains

    schema = domains["gpu.example.com"]
    assert schema.attributes["model"].values == {"A100": 1, "H100": 1}
    assert schema.attributes["index"].types == {"int": 1, "string": 1}
    assert schema.capacities == {"memory": 2}
    assert schema.drivers == {"gpu.example.com"}


def test_a_pool_that_lacks_slices_is_known_as_incomplete_and_an_older_whole_generation_counts() -> None:
    old = make_slice(device("old"), pool="p", generation=1)
    new = make_slice(device("new"), pool="p", generation=2, count=2)
    alone = make_slice(device("a"), pool="q", count=3)
    inventory = Inventory({part.name: part for part in (old, new, alone)}, {})
    assert [device.name for device in inventory.devices] == ["old"]
    assert [(p.pool, p.generation, p.seen, p.wanted, p.older) for p in inventory.incomplete] == [
        ("p", 2, 1, 2, True),
        ("q", 1, 1, 3, False),
    ]


def test_a_pool_with_two_devices_of_one_name_is_known_and_counts_for_nothing() -> None:
    part = make_slice(device("a"), device("b"), device("a"))
    other = make_slice(device("b"), node="node-2")
    inventory = Inventory({one.name: one for one in (part, other)}, {})
    assert inventory.duplicates == (("gpu.example.com", "node-1", "a"),)
    assert [place.pool for place in inventory.places] == ["node-2"]
    halves = [replace(make_slice(device("c"), pool="p", count=2), name=name) for name in ("one", "two")]
    assert Inventory({one.name: one for one in halves}, {}).duplicates == (("gpu.example.com", "p", "c"),)


def test_an_inventory_does_not_refer_to_itself_and_is_gone_with_its_view() -> None:
    """The server's garbage collector seldom looks at what is old: it would find it after hours."""
    gc.disable()
    try:
        inventory = Inventory({"one": make_slice(device("gpu-0"))}, {})
        assert all(
            attribute.values for schema in inventory.domains.values() for attribute in schema.attributes.values()
        )
        gone = weakref.ref(inventory)
        del inventory
        assert gone() is None
    finally:
        gc.enable()

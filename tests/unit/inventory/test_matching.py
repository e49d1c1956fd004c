"""Matching: what is remembered is what would be found afresh, and time bounds what is judged at once."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from tests.support.build import device, make_slice, make_view
from webhook.core.cluster import ClusterView
from webhook.core.devices import ResourceSlice
from webhook.inventory.inventory import Inventory, inventory_of
from webhook.inventory.matching import accepting_texts, outcomes_of, stored_environment

MODEL = "device.attributes['gpu.example.com'].model == 'A'"
SHARED = "device.attributes['gpu.example.com'].shared"
LARGE = "device.capacity['gpu.example.com'].memory.compareTo(quantity('60Gi')) > 0"
EXACT = "device.capacity['gpu.example.com'].memory.isInteger()"
ANY = "device.attributes.all(domain, domain == 'gpu.example.com')"
TEXTS = (MODEL, SHARED, LARGE, EXACT, ANY)


def outcomes(view: ClusterView, inventory: Inventory, text: str) -> list[bool | str] | None:
    found = outcomes_of(text, stored_environment(view.server), inventory)
    return None if found is None else list(found)


def view_of(parts: Iterable[ResourceSlice]) -> ClusterView:
    return make_view(*parts)


DEVICES = st.builds(
    lambda name, memory, attributes: device(name, {"memory": memory} if memory else None, **attributes),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["", "40Gi", "80Gi", "1.5", "1500m"]),
    st.fixed_dictionaries(
        {},
        optional={
            "model": st.sampled_from(["A", "B", 1, True, {"version": "1.0.0"}, {"version": "one"}]),
            "shared": st.sampled_from([True, 1, "true"]),
            "uuid": st.sampled_from(["1", "2"]),
        },
    ),
)
CLUSTERS = st.dictionaries(st.sampled_from(["n1", "n2", "n3", "n4"]), st.lists(DEVICES, max_size=3), max_size=4)


@given(st.lists(CLUSTERS, min_size=2, max_size=4), st.lists(st.sampled_from(TEXTS), min_size=1))
def test_what_is_taken_over_from_inventories_before_is_what_is_found_afresh(
    states: list[dict[str, list[dict[str, object]]]], asked: list[str]
) -> None:
    before = None
    parts: dict[str, ResourceSlice] = {}
    for state in states:
        fresh = {node: make_slice(*devices, node=node) for node, devices in state.items()}
        parts = {node: parts[node] if parts.get(node) == part else part for node, part in fresh.items()}
        view = view_of(parts.values())
        inventory = Inventory(view.slices, {}, before)
        for text in asked:
            assert outcomes(view, inventory, text) == outcomes(view, Inventory(view.slices, {}), text)
        assert {name: dict(schema.capacities) for name, schema in inventory.domains.items()} == {
            name: dict(schema.capacities) for name, schema in Inventory(view.slices, {}).domains.items()
        }
        before = inventory


def test_values_that_python_takes_for_equal_are_told_apart() -> None:
    view = make_view(
        make_slice(
            device("one", {"memory": "1.5"}, shared=1),
            device("yes", {"memory": "1"}, shared=True),
            device("text", {"memory": "1000m"}, shared="1.0.0"),
            device("version", {"memory": "1500m"}, shared={"version": "1.0.0"}),
        )
    )
    inventory = inventory_of(view)
    assert [isinstance(outcome, str) for outcome in outcomes(view, inventory, SHARED) or ()] == [
        True,
        False,
        True,
        True,
    ]
    is_text = "device.attributes['gpu.example.com'].shared == '1.0.0'"
    assert [outcome is True for outcome in outcomes(view, inventory, is_text) or ()] == [False, False, True, False]


def test_a_version_that_is_none_makes_every_selector_fail_on_its_device_alone() -> None:
    bad, good = device("bad", model="A", v={"version": "one"}), device("good", model="A", v={"version": "1.0.0"})
    view = make_view(make_slice(bad, good))
    found = outcomes(view, inventory_of(view), MODEL) or []
    assert "parse semantic version" in str(found[0])
    assert found[1] is True


def test_devices_with_an_identity_of_their_own_are_found_one_by_one() -> None:
    view = make_view(make_slice(*(device(f"gpu-{index}", uuid=f"GPU-{index}") for index in range(1500))))
    wanted = "device.attributes['gpu.example.com'].uuid == 'GPU-1234'"
    assert accepting_texts(view, inventory_of(view), (wanted,)) == (1234,)


def test_when_the_time_is_over_what_was_judged_is_kept_for_the_next_review() -> None:
    view = make_view(make_slice(*(device(f"gpu-{index}", model="A") for index in range(1000))))
    inventory = inventory_of(view)
    assert accepting_texts(view, inventory, (MODEL,), lambda: True) is None
    reviews = 1
    while accepting_texts(view, inventory, (MODEL,), lambda: True) is None:
        reviews += 1
    assert reviews == 1000 // 64
    assert accepting_texts(view, inventory, (MODEL,), lambda: True) == tuple(range(1000))


def test_an_error_keeps_its_text_among_many() -> None:
    devices = [device(f"gpu-{index}", key=f"missing{index}") for index in range(300)]
    view = make_view(make_slice(*devices))
    domain = "device.attributes['gpu.example.com']"
    found = outcomes(view, inventory_of(view), f"{domain}[{domain}.key] == 1") or []
    assert found[0] == "no such key: missing0"
    assert all(isinstance(outcome, str) for outcome in found)
    assert found[299] == "another error"

"""The funnel counts what a plain count of devices gives, and knows the nodes."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.build import device, make_claim, make_class, make_slice, make_view, request, slice_object
from webhook.cel.compile import compile_selector
from webhook.cel.device import make_device
from webhook.cel.evaluator import evaluate
from webhook.core.cluster import ClusterView, Node
from webhook.core.device import Device
from webhook.core.devices import parse_inventory, parse_slice
from webhook.inventory.case import Case
from webhook.inventory.changes import smallest_changes
from webhook.inventory.funnel import Funnel, funnel_of
from webhook.inventory.matching import stored_environment

A = "device.attributes['gpu.example.com']"
MEMORY = "device.capacity['gpu.example.com'].memory"


def funnel(view: ClusterView, *selectors: str, **fields: Any) -> Funnel:
    case = Case(make_claim(request("gpu", *selectors, **fields)), "team-a", view)
    found = funnel_of(case, case.alternatives()[0])
    assert found is not None
    return found


CLAUSES = (
    "device.driver == 'gpu.example.com'",
    f"{A}.model == 'A'",
    f"has({A}.model) && {A}.model != 'B'",
    f"({A}.cores > 2 || {A}.cores == 1)",
    f"{MEMORY}.compareTo(quantity('20Gi')) >= 0",
    f"!(has({A}.cores) && {A}.cores == 3)",
)
DEVICES = st.builds(
    lambda memory, attributes: device("d", {"memory": memory} if memory else None, **attributes),
    st.sampled_from(["", "10Gi", "20Gi", "40Gi"]),
    st.fixed_dictionaries({}, optional={"model": st.sampled_from(["A", "B", "C"]), "cores": st.integers(0, 4)}),
)


@given(st.lists(DEVICES, max_size=6), st.lists(st.lists(st.sampled_from(CLAUSES), min_size=1, max_size=3), max_size=3))
def test_each_stage_is_what_evaluating_the_clauses_one_after_the_other_leaves(
    devices: list[Any], selectors: list[list[str]]
) -> None:
    named = ({**one, "name": f"gpu-{number}"} for number, one in enumerate(devices))
    view = make_view(make_slice(*named), classes=[make_class("gpu.example.com", "true")])
    texts = [" && ".join(clauses) for clauses in selectors]
    found = funnel(view, *texts)
    own = [stage for stage in found.stages if stage.clause is not None]
    [published] = [part.devices for part in view.slices.values()]
    left = published
    assert found.devices == len(left)
    for stage in own:
        left = tuple(one for one in left if accepts(view, stage.expression, one))
        assert stage.left == len(left)
    whole = [one for one in published if all(accepts(view, text, one) for text in texts)]
    assert found.matched == len(whole)
    case = Case(make_claim(request("gpu", *texts)), "team-a", view)
    for change in smallest_changes(case, found):
        mended = [change.texts().get(s.path, s.expression) for s in case.alternatives()[0].selectors]
        kept = [text for text in mended if text is not None]
        matching = [one for one in published if all(accepts(view, text, one) for text in kept)]
        assert len(matching) == change.matched > 0


def accepts(view: ClusterView, text: str, one: Device) -> bool:
    ast = compile_selector(text, stored_environment(view.server)).ast
    assert ast is not None
    shown = make_device(one.driver, one.attributes, {name: held.value for name, held in one.capacity.items()})
    return evaluate(ast, shown).result is True


def nodes(*names: str, labels: Mapping[str, str] = {}) -> Mapping[str, Node]:
    return {name: Node(name, {"kubernetes.io/hostname": name, **labels}, {}) for name in names}


def anywhere(*devices: Any, **spec: Any) -> Any:
    raw = slice_object(*devices, node="pool")
    del raw["spec"]["nodeName"]
    return parse_slice({**raw, "spec": {**raw["spec"], **spec}})


TAINTED = {**device("bad"), "taints": [{"key": "broken", "value": "", "effect": "NoSchedule"}]}


def test_a_pool_of_all_nodes_is_reached_from_every_one() -> None:
    view = make_view(anywhere(device("a"), device("b"), allNodes=True), nodes=nodes("n1", "n2"))
    assert funnel(view).nodes == (("n1", 2), ("n2", 2))
    view = make_view(anywhere(device("a"), allNodes=True), make_slice(device("c"), node="n1"), nodes=nodes("n1", "n2"))
    assert funnel(view).nodes == (("n1", 2), ("n2", 1))


def test_a_pool_of_selected_nodes_is_reached_from_these() -> None:
    term = {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["x"]}]}
    part = anywhere(device("a"), nodeSelector={"nodeSelectorTerms": [term]})
    view = make_view(part, nodes={**nodes("n1", labels={"zone": "x"}), **nodes("n2")})
    assert [name for name, _ in funnel(view).nodes if name] == ["n1"]


def test_what_one_node_cannot_give_together_is_the_last_stage() -> None:
    view = make_view(make_slice(device("a"), device("b"), node="n1"), make_slice(device("a"), node="n2"))
    assert [(stage.label, stage.left) for stage in funnel(view, count=2).stages][-1] == ("on a node with 2 devices", 2)
    assert funnel(view, count=3).stages[-1].left == 0
    assert funnel(view, count=3).matched == 3


@pytest.mark.parametrize(("tolerations", "fits"), [([], ["n2"]), ([{"operator": "Exists"}], ["n1", "n2"])])
def test_who_asks_for_all_gets_none_on_a_node_with_a_tainted_one(tolerations: list[Any], fits: list[str]) -> None:
    view = make_view(make_slice(device("a"), TAINTED, node="n1"), make_slice(device("a"), node="n2"))
    found = funnel(view, allocationMode="All", tolerations=tolerations)
    assert [name for name, count in found.nodes if found.fits(count)] == fits
    assert (found.takes_all, found.wanted) == (True, None)


def test_capacity_and_taints_are_stages_of_their_own() -> None:
    small, large = device("small", {"memory": "10Gi"}), device("large", {"memory": "40Gi"})
    view = make_view(make_slice(small, large, {**TAINTED, "capacity": {"memory": {"value": "40Gi"}}}))
    found = funnel(view, capacity={"memory": "20Gi"})
    assert [(stage.label, stage.expression, stage.left) for stage in found.stages][1:3] == [
        ("capacity", "memory 20Gi", 2),
        ("taints", "", 1),
    ]
    found = funnel(make_view(make_slice(small)), capacity={"memory": "20Gi"})
    assert [(near.failed, near.value) for near in found.nearest] == [("memory 20Gi", "`memory` 10Gi")]


def test_planned_devices_count_with_their_number_and_one_node_has_so_many_at_most() -> None:
    spec = {"driver": "gpu.example.com", "devices": [{**device("e200"), "count": 16, "perNode": 8}]}
    planned = parse_inventory({"metadata": {"name": "order"}, "spec": spec})
    found = funnel(make_view(inventories={"order": planned}), count=8)
    assert (found.devices, found.planned, found.matched, found.nodes) == (16, 16, 16, (("", 8),))
    assert [stage.left for stage in found.stages] == [16, 16]  # two nodes of eight


def test_the_nearest_devices_fail_least_and_differ_in_what_they_have() -> None:
    devices = [device(f"d{n}", model="A", cores=n % 3) for n in range(9)]
    view = make_view(make_slice(*devices, device("far", model="B", cores=9)))
    found = funnel(view, f"{A}.model == 'A' && {A}.cores > 5")
    assert [(near.device, near.failed, near.value) for near in found.nearest] == [
        ("gpu.example.com/node-1/d0", f"{A}.cores > 5", "`cores` 0"),
        ("gpu.example.com/node-1/d1", f"{A}.cores > 5", "`cores` 1"),
        ("gpu.example.com/node-1/d2", f"{A}.cores > 5", "`cores` 2"),
    ]


def test_a_class_that_is_not_there_and_a_selector_that_does_not_compile_end_the_funnel() -> None:
    view = make_view(make_slice(device("a")))
    assert funnel(view, device_class="gone").problem == "class 'gone' does not exist"
    broken = funnel(view, "device.driver ==")
    assert [(stage.label, stage.left) for stage in broken.stages] == [
        ("class gpu.example.com", 1),
        ("selector 0 is not accepted by the API server", 0),
    ]


def test_without_time_there_is_no_funnel() -> None:
    case = Case(make_claim(request("gpu", f"{A}.model == 'A'")), "team-a", make_view(), lambda: True)
    assert funnel_of(case, case.alternatives()[0]) is None

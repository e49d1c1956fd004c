"""Claims that no container uses."""

import pytest

from tests.support.build import make_class, make_slice, request
from tests.support.pods import (
    container,
    found,
    mended,
    of_template,
    pod_object,
    template_object,
    view_with,
    workload,
)
from webhook.rules.pod_unused_claim import check


def test_a_claim_that_a_container_uses_is_none_of_our_business() -> None:
    assert found(check, pod_object([of_template("gpu")], container("gpu"))) == []


@pytest.mark.parametrize("field", ["initContainers", "containers"])
def test_one_use_is_enough(field: str) -> None:
    using = container({"name": "gpu", "request": "gpu"}, name="using")
    containers = [container(), using] if field == "containers" else [container()]
    pod = pod_object([of_template("gpu")], *containers)
    if field == "initContainers":
        pod["spec"]["initContainers"] = [using]
    assert found(check, pod) == []


def test_a_claim_that_nobody_uses_is_named_in_the_one_container() -> None:
    pod = pod_object([of_template("gpu"), of_template("more")], container("gpu"))
    [finding] = found(check, pod)
    assert (str(finding.path), finding.message) == ("spec.resourceClaims[1]", "no container uses claim 'more'")
    claims = mended(check, pod)["spec"]["containers"][0]["resources"]["claims"]
    assert claims == [{"name": "gpu"}, {"name": "more"}]


def test_the_edit_keeps_limits_and_makes_room_where_there_are_no_resources() -> None:
    with_limits = pod_object([of_template("gpu")], container(limits={"cpu": "1"}))
    resources = mended(check, with_limits)["spec"]["containers"][0]["resources"]
    assert resources == {"limits": {"cpu": "1"}, "claims": [{"name": "gpu"}]}
    bare = workload(pod_object([of_template("gpu"), of_template("more")], container()))
    resources = mended(check, bare)["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert resources == {"claims": [{"name": "gpu"}, {"name": "more"}]}


def test_of_several_containers_none_is_chosen() -> None:
    [finding] = found(check, pod_object([of_template("gpu")], container(), container(name="other")))
    assert finding.fixes[0].edits == ()


def test_a_stray_name_explains_one_claim_and_no_more() -> None:
    pod = pod_object([of_template("gpu"), of_template("nic")], container("gpuu"))
    assert [finding.message for finding in found(check, pod)] == ["no container uses claim 'nic'"]


NIC = pod_object([of_template("nic", "nic")], container())


def test_an_interface_needs_no_container() -> None:
    view = view_with(
        template_object(request(device_class="nic"), name="nic"),
        classes=[make_class("nic", "device.driver == 'dra.net'")],
        slices=[make_slice({"name": "eth1"}, driver="dra.net")],
    )
    assert found(check, NIC, view) == []


def test_a_class_that_is_called_after_a_network_driver_stands_for_it_where_no_device_is_known() -> None:
    assert found(check, NIC, view_with(template_object(request(device_class="dra.net"), name="nic"))) == []
    assert len(found(check, NIC, view_with(template_object(request(device_class="nic"), name="nic")))) == 1

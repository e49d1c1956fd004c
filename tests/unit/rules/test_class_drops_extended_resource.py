"""Extended resources that no class serves any more."""

from tests.support.build import Raw, class_object, make_class, make_view
from webhook.core.cluster import ResourceQuota
from webhook.core.devices import DeviceClass
from webhook.core.finding import Edit, Finding
from webhook.core.mending import edited
from webhook.core.quantity import parse_quantity
from webhook.core.versions import ServerTruth
from webhook.inventory.case import Case
from webhook.rules.class_drops_extended_resource import check

GPU = "example.com/gpu"
NAMED = make_class("gpu", extendedResourceName=GPU)
BARE = make_class("gpu")


def found(
    after: DeviceClass, before: DeviceClass | None = NAMED, *others: DeviceClass, **fields: object
) -> list[Finding]:
    view = make_view(classes=[NAMED, *others], **fields)  # type: ignore[arg-type]  # fields of a view
    return list(check(Case(after, "", view, before=before)))


def test_a_name_that_goes_is_told_and_put_back_by_the_edit() -> None:
    [finding] = found(BARE)
    assert finding.message == "no DeviceClass serves `example.com/gpu` any more"
    assert finding.fixes[0].edits == (Edit(finding.path, GPU),)
    raw: Raw = class_object("gpu")
    result, made = edited(raw, finding.fixes[0].edits)
    assert (made, result["spec"]["extendedResourceName"]) == (1, GPU)


def test_another_name_is_none_for_those_who_use_the_old_one() -> None:
    assert len(found(make_class("gpu", extendedResourceName="example.com/other"))) == 1


def test_what_does_not_go_is_none_of_our_business() -> None:
    assert found(NAMED) == []
    assert found(NAMED, BARE) == []
    assert found(BARE, BARE) == []
    assert found(BARE, None) == []


def test_another_class_may_go_on_serving_it() -> None:
    assert found(BARE, NAMED, make_class("gold", extendedResourceName=GPU)) == []
    assert len(found(BARE, NAMED, make_class("gold"))) == 1


def test_where_the_gate_is_off_nobody_served_it() -> None:
    assert found(BARE, server=ServerTruth(gates={"DRAExtendedResource": False})) == []


def test_quotas_that_count_the_name_are_named() -> None:
    quotas = {
        ("team-a", name): ResourceQuota("team-a", name, {f"requests.{GPU}": parse_quantity("8")}) for name in "abcd"
    }
    [finding] = found(BARE, resource_quotas=quotas)
    assert (
        "ResourceQuota 'team-a/a', 'team-a/b', 'team-a/c' and 1 more counts `requests.example.com/gpu`" in finding.why
    )

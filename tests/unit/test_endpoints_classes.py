"""Changes of DeviceClasses, and what the API server will not keep, as the two endpoints for claims judge them."""

from dataclasses import replace

from tests.support.build import Raw, claim_object, class_object, device, make_slice, make_view, request
from webhook.core.claims import parse_claim
from webhook.core.cluster import ClusterView
from webhook.core.review import Resource, Review
from webhook.core.versions import ServerTruth
from webhook.endpoints import case_of, mutate_claims, validate_claims
from webhook.inventory.case import never
from webhook.rules import Rulebook

NAME = "gpu.example.com"
GPU = "device.attributes['gpu.example.com'].model == '{}'"
OLD = class_object(NAME, GPU.format("A100"), extendedResourceName="example.com/gpu")
OTHER = class_object(NAME, GPU.format("H100"), extendedResourceName="example.com/gpu")
UNNAMED = class_object(NAME, GPU.format("A100"))
MISSPELT = class_object(NAME, "device.attributes['gpu.example.com'].modl == 'A100'")


def cluster(server: ServerTruth | None = None) -> ClusterView:
    waiting = parse_claim(claim_object(request("gpu", device_class=NAME)))
    view = make_view(make_slice(device("a", model="A100")), server=server)
    return replace(view, claims={("team-a", "claim"): waiting})


def reviewed(raw: Raw, old: Raw | None = None) -> Review:
    kind = Resource("resource.k8s.io", raw["apiVersion"].rpartition("/")[2], raw["kind"])
    operation = "CREATE" if old is None else "UPDATE"
    namespace = raw["metadata"].get("namespace", "")
    return Review("u", operation, kind, kind, namespace=namespace, object=raw, old_object=old)


def validated(raw: Raw, old: Raw | None = None) -> list[str]:
    case = case_of(reviewed(raw, old), cluster(), Rulebook(), never)
    assert case is not None
    return [finding.rule for finding in validate_claims(case, Rulebook())]


def mutated(raw: Raw, old: Raw | None = None, server: ServerTruth | None = None) -> list[str]:
    return [f.rule for f in mutate_claims(reviewed(raw, old), cluster(server), Rulebook(), never).findings]


def test_a_change_is_held_against_those_who_rely_on_the_class() -> None:
    assert "class-strands-claims" in validated(OTHER, OLD)
    assert validated(UNNAMED, OLD) == ["class-drops-extended-resource"]
    assert validated(OLD, OLD) == []


def test_an_update_that_leaves_selectors_and_config_is_not_judged_for_the_rest() -> None:
    assert "selector-unknown-attribute" in validated(MISSPELT)
    assert validated({**MISSPELT, "metadata": {"name": NAME, "labels": {"a": "b"}}}, MISSPELT) == []


def test_a_field_that_the_server_drops_is_told_before_it_does() -> None:
    early = ServerTruth("1.34")
    assert mutated(OLD, server=early) == ["field-dropped-by-server"]
    assert mutated(OLD, UNNAMED, server=early) == ["field-dropped-by-server"]
    assert mutated({**OLD, "metadata": {"name": NAME, "labels": {}}}, OLD, server=early) == []
    assert mutated(OLD) == []


def test_a_request_to_a_live_server_proves_that_its_version_is_served() -> None:
    beta = {**claim_object(), "apiVersion": "resource.k8s.io/v1beta2"}
    assert mutated(beta) == ["version-not-served"]
    assert mutated(beta, server=ServerTruth("1.37")) == []

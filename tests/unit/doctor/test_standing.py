"""Whether API servers ask us, what runs together, and what our own objects say of themselves."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from tests.support.examined import HERE, NOW, healthy, lease, names, wrong
from webhook.core.raw import RawObject
from webhook.doctor.diagnosis import Severity
from webhook.doctor.facts import MUTATING, VALIDATING, Facts, Unseen
from webhook.doctor.reach import guarded_namespace

CALLED = (
    'Internal error occurred: failed calling webhook "claims.validate.drawbridge.dev": failed to call webhook: '
    'Post "https://drawbridge.drawbridge-system.svc:443/validate/claims?timeout=5s": x509: unknown authority'
)


def answered(plural: str, code: int, message: str) -> Facts:
    facts = healthy()
    changed = (
        replace(probe, code=code, message=message) if probe.configuration == plural else probe for probe in facts.probes
    )
    return replace(facts, probes=tuple(changed))


@pytest.mark.parametrize(
    ("plural", "code", "message", "expected"),
    [
        (VALIDATING, 500, CALLED, "webhook-unreachable"),
        (VALIDATING, 201, "", "webhook-not-asked"),
        (MUTATING, 422, "spec.devices.requests[0]: Invalid value: compilation failed", "webhook-not-asked"),
        (VALIDATING, 422, 'admission webhook "other.example" denied the request: no', "reachability-unchecked"),
        (VALIDATING, 0, "POST /apis: no answer in time", "reachability-unchecked"),
        (MUTATING, 403, 'cannot create resource "resourceclaims"', "reachability-unchecked"),
    ],
)
def test_what_became_of_a_claim_that_we_must_refuse(plural: str, code: int, message: str, expected: str) -> None:
    assert names(answered(plural, code, message)) == [expected]


def test_the_words_of_the_api_server_are_told() -> None:
    [found] = wrong(answered(VALIDATING, 500, CALLED))
    assert found.message == "API servers cannot call webhook 'claims.validate.drawbridge.dev': x509: unknown authority"


@pytest.mark.parametrize(("name", "left"), [("https://elsewhere", 1), ("", 2)], ids=["wrong service", "right"])
def test_what_is_wrong_with_one_configuration_explains_why_it_alone_is_not_answered(name: str, left: int) -> None:
    facts = healthy()
    configurations: Any = copy.deepcopy(facts.configurations)
    if name:
        configurations[VALIDATING]["webhooks"][0]["clientConfig"] = {"url": name}
    failed = tuple(replace(probe, code=201, message="") for probe in facts.probes)
    found = names(replace(facts, configurations=configurations, probes=failed))
    assert found.count("webhook-not-asked") == left


def test_without_any_webhook_it_is_not_said_that_all_is_well() -> None:
    assert names(replace(healthy(), probes=())) == ["reachability-unchecked"]


def test_a_claim_is_tried_where_we_look() -> None:
    webhook: Any = healthy().configurations[VALIDATING]
    labels = {name: {"kubernetes.io/metadata.name": name} for name in ("a", "default", "kube-system")}
    assert guarded_namespace(webhook["webhooks"][0], labels, "default") == "default"
    assert guarded_namespace(webhook["webhooks"][0], labels, "kube-system") == "a"
    assert guarded_namespace(webhook["webhooks"][0], {"kube-system": labels["kube-system"]}, "default") == ""


# What runs together


def pods(*images: str) -> tuple[RawObject, ...]:
    return tuple({"metadata": {}, "spec": {"containers": [{"name": "webhook", "image": image}]}} for image in images)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (("d:0.1.0", "d:v0.1.0"), []),
        (("d:0.2.0",), ["version-skew"]),
        (("d:0.1.0", "d:0.2.0"), ["versions-differ"]),
        (("d:0.1.0@sha256:00",), []),
        (("d@sha256:00",), ["replicas-unchecked"]),
        (("registry:5000/d",), ["replicas-unchecked"]),
    ],
)
def test_replicas_are_of_the_version_of_this_command(images: tuple[str, ...], expected: list[str]) -> None:
    assert names(replace(healthy(), pods=pods(*images))) == expected


def test_before_anything_is_mended_the_command_is_to_be_of_the_version_that_runs() -> None:
    [found] = wrong(replace(healthy(), pods=pods("d:0.2.0")))
    assert found.message.endswith("this command is 0.1.0 and compares with its own")
    assert found.fix is not None
    assert found.fix.message.startswith("ask a command of 0.2.0 before you mend anything")


def test_pods_that_are_ending_and_containers_of_others_say_nothing() -> None:
    [ending, ended] = pods("d:0.0.1", "d:0.0.2")
    ending["metadata"]["deletionTimestamp"] = "now"
    sidecar = {"metadata": {}, "spec": {"containers": [{"name": "proxy", "image": "proxy:9.9.9"}]}}
    found = names(replace(healthy(), pods=(ending, {**ended, "status": {"phase": "Succeeded"}}, sidecar)))
    assert found == []


def with_crd(change: Any) -> Facts:
    facts = healthy()
    name, crd = next(iter(facts.crds.items()))
    changed = copy.deepcopy(crd)
    change(changed)
    return replace(facts, crds={**facts.crds, name: changed})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda crd: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].pop("description"), ["crd-changed"]),
        (lambda crd: crd["status"].update(conditions=[]), ["crd-not-served"]),
        (lambda crd: crd["status"].update(storedVersions=["v1alpha0", "v1alpha1"]), ["crd-stored-version"]),
    ],
    ids=["schema", "served", "stored"],
)
def test_crds_are_those_of_this_command(change: Any, expected: list[str]) -> None:
    assert names(with_crd(change)) == expected


def test_a_crd_that_is_not_there() -> None:
    facts = healthy()
    [found] = wrong(replace(facts, crds={**facts.crds, "devicequotas.drawbridge.dev": None}))
    assert (found.name, found.severity) == ("crd-missing", Severity.ERROR)
    assert found.fix is not None
    assert found.fix.command == "kubectl apply --server-side --force-conflicts -f deploy/crds"


def test_a_release_that_leaves_crds_to_others_is_told_who_applies_them() -> None:
    facts = healthy(replace(HERE, release="gate"))
    [found] = wrong(replace(facts, crds={**facts.crds, "devicequotas.drawbridge.dev": None}))
    assert found.fix is not None
    assert found.fix.command.startswith("helm upgrade gate ")
    assert "`kubectl apply --server-side --force-conflicts -f deploy/crds`" in found.fix.message


@pytest.mark.parametrize(
    ("version", "expected"),
    [("1.34", []), ("1.33", ["kubernetes-version"]), ("1.38", ["kubernetes-version"])],
)
def test_versions_of_kubernetes_that_are_not_known(version: str, expected: list[str]) -> None:
    assert names(replace(healthy(), server_version=version)) == expected


@pytest.mark.parametrize(
    ("version", "gates", "expected"),
    [
        ("1.37", {"DRAConsumableCapacity": False}, [Severity.WARNING]),
        ("1.34", {"DRAConsumableCapacity": False}, []),
        ("1.34", {"DynamicResourceAllocation": False}, [Severity.ERROR]),
    ],
)
def test_gates_that_are_on_by_default_and_off_here(
    version: str, gates: dict[str, bool], expected: list[Severity]
) -> None:
    found = wrong(replace(healthy(), server_version=version, gates=gates))
    assert [one.severity for one in found if one.name == "feature-gate-off"] == expected
    assert len(found) == len(expected)


def test_gates_that_cannot_be_had() -> None:
    assert names(replace(healthy(), gates={})) == ["feature-gates-unchecked"]


# Our own objects


def judged(status: str, observed: int = 1, message: str = "spec.validations[0]: no such field") -> RawObject:
    conditions = [{"type": "Ready", "status": status, "message": message}]
    return {
        "metadata": {"name": "p", "generation": 1},
        "status": {"observedGeneration": observed, "conditions": conditions},
    }


@pytest.mark.parametrize(
    ("field", "raw", "expected"),
    [
        ("policies", judged("True"), []),
        ("policies", judged("False"), ["policy-not-ready"]),
        ("policies", judged("True", observed=0), ["policy-not-judged"]),
        ("policies", {"metadata": {"name": "p", "generation": 1}}, ["policy-not-judged"]),
        ("policies", judged("False", message="no such field; " * 20), ["policy-not-ready"]),
        ("mappings", judged("False"), ["mapping-not-ready"]),
    ],
)
def test_policies_and_mappings_in_error(field: str, raw: RawObject, expected: list[str]) -> None:
    changes: Any = {field: (raw,)}
    assert names(replace(healthy(), **changes)) == expected


def quota(used: str, reserved: str, **status: Any) -> RawObject:
    limits = [{"name": "all", "hard": "8", "used": used, "reserved": reserved}]
    return {
        "metadata": {"namespace": "team-a", "name": "q", "generation": 2},
        "spec": {"limits": [{"name": "all", "devices": 8}]},
        "status": {"observedGeneration": 2, "limits": limits, **status},
    }


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (quota("3", "0"), []),
        (quota("3", "2"), ["quota-drift"]),
        (quota("3", "2", reservations=[{"uid": "u", "name": "c", "amounts": {"all": "2"}}]), []),
        ({**quota("0", "0"), "status": {}}, ["quota-without-status"]),
        (quota("0", "0", observedGeneration=1), ["quota-not-counted"]),
        (quota("0", "0", conditions=[{"type": "LimitsInEffect", "status": "False"}]), ["quota-without-effect"]),
    ],
)
def test_quotas_whose_books_are_not_true(raw: RawObject, expected: list[str]) -> None:
    assert names(replace(healthy(), quotas=(raw,))) == expected


@pytest.mark.parametrize(
    ("leases", "expected"),
    [
        ((lease(),), []),
        ((lease(ago=59),), []),
        ((lease(ago=61),), ["leader-missing"]),
        ((lease(holder=""),), ["leader-missing"]),
        ((), ["leader-missing"]),
        ((lease(), lease("other")), ["leaders-several"]),
        ((lease(), lease("other", ago=3600)), []),
    ],
)
def test_one_leads_and_renews_its_lease(leases: tuple[RawObject, ...], expected: list[str]) -> None:
    facts = healthy()
    assert facts.now == NOW
    assert names(replace(facts, leases={**facts.leases, "-controller": leases})) == expected


def test_several_leaders_are_told_which_to_end() -> None:
    facts = healthy()
    [found] = wrong(replace(facts, leases={**facts.leases, "-controller": (lease(), lease("other"))}))
    assert found.fix is not None
    labels = "app.kubernetes.io/name=drawbridge,app.kubernetes.io/component=controller"
    assert found.fix.command == f"kubectl scale deployments -l {labels} --replicas=0 -n other"


def test_what_may_not_be_read_is_told() -> None:
    unseen = Unseen("forbidden")
    facts = replace(healthy(), policies=unseen, quotas=unseen, leases={"-controller": unseen, "-certs": unseen})
    assert {one.severity for one in wrong(facts)} == {Severity.INFO}
    assert set(names(facts)) == {"policies-unchecked", "quotas-unchecked", "leaders-unchecked"}

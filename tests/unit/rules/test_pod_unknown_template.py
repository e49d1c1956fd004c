"""A template that is not there, and what may have been meant."""

from dataclasses import replace

import pytest

from tests.support.build import claim_object, request
from tests.support.pods import (
    case_of,
    container,
    found,
    mended,
    of_claim,
    of_template,
    pod_object,
    template_object,
    view_with,
    workload,
)
from webhook.core.claims import parse_claim
from webhook.rules.pod_unknown_template import check

POD = pod_object([of_template("gpu", "singel-gpu")], container("gpu"))


def test_a_template_that_is_there_is_none_of_our_business() -> None:
    assert found(check, pod_object([of_template("gpu")], container("gpu"))) == []


def test_a_misspelt_name_is_mended() -> None:
    [finding] = found(check, POD)
    assert finding.message == "no template 'singel-gpu' in namespace 'team-a'"
    assert str(finding.path) == "spec.resourceClaims[0].resourceClaimTemplateName"
    assert mended(check, POD)["spec"]["resourceClaims"] == [of_template("gpu", "single-gpu")]


def test_a_claim_in_the_place_of_a_template_moves_to_its_own_field() -> None:
    view = view_with(claim_object(name="shared-gpu"))
    pod = pod_object([of_template("gpu", "shared-gpu")], container("gpu"))
    assert mended(check, pod, view)["spec"]["resourceClaims"] == [of_claim("gpu", "shared-gpu")]


def test_a_template_of_another_namespace_is_as_good_as_none() -> None:
    view = view_with(template_object(namespace="team-b"))
    [finding] = found(check, pod_object([of_template("gpu")], container("gpu")), view)
    assert finding.why.endswith("one of this name is in another namespace, where a pod cannot refer to it")
    assert not finding.fixes[0].edits


@pytest.mark.parametrize(
    ("kind", "at"),
    [
        ("Deployment", "spec.template.spec"),
        ("StatefulSet", "spec.template.spec"),
        ("ReplicaSet", "spec.template.spec"),
        ("Job", "spec.template.spec"),
        ("CronJob", "spec.jobTemplate.spec.template.spec"),
    ],
)
def test_a_workload_is_told_at_its_own_path(kind: str, at: str) -> None:
    raw = workload(POD, kind)
    [finding] = found(check, raw)
    assert str(finding.path) == f"{at}.resourceClaims[0].resourceClaimTemplateName"
    mended(check, raw)


def test_a_template_that_is_about_to_be_made_is_not_missed() -> None:
    name = "drawbridge-0123456789abcdef"
    pod = pod_object([of_template("gpu", name)], container("gpu"))
    coming = {name: parse_claim(template_object(request("devices"), name=name))}
    assert list(check(case_of(pod, view_with(), coming=coming))) == []
    assert len(list(check(case_of(pod, view_with())))) == 1


def test_without_a_cluster_nothing_is_missed() -> None:
    assert found(check, POD, replace(view_with(), given=False)) == []


def test_an_entry_with_both_names_or_none_is_left_to_the_api_server() -> None:
    odd = [{**of_template("a", "x"), **of_claim("a", "y")}, {"name": "b"}]
    assert found(check, pod_object(odd, container("a", "b"))) == []


def test_what_is_left_when_the_time_is_over_is_not_looked_at() -> None:
    assert list(check(case_of(POD, view_with(), expired=lambda: True))) == []

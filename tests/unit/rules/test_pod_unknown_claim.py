"""A claim that is not there, and what may have been meant."""

from dataclasses import replace

from tests.support.build import claim_object
from tests.support.pods import container, found, mended, of_claim, of_template, pod_object, view_with, workload
from webhook.rules.pod_unknown_claim import check

SHARED = view_with(claim_object(name="shared-gpu"))


def test_a_claim_that_is_there_is_none_of_our_business() -> None:
    assert found(check, pod_object([of_claim("gpu")], container("gpu")), SHARED) == []


def test_a_misspelt_name_is_mended() -> None:
    pod = pod_object([of_claim("gpu", "share-gpu")], container("gpu"))
    [finding] = found(check, pod, SHARED)
    assert finding.message == "no claim 'share-gpu' in namespace 'team-a'"
    assert mended(check, pod, SHARED)["spec"]["resourceClaims"] == [of_claim("gpu", "shared-gpu")]


def test_a_template_in_the_place_of_a_claim_moves_to_its_own_field() -> None:
    raw = workload(pod_object([of_claim("gpu", "single-gpu")], container("gpu")))
    entries = mended(check, raw)["spec"]["template"]["spec"]["resourceClaims"]
    assert entries == [of_template("gpu", "single-gpu")]


def test_a_claim_of_another_namespace_is_as_good_as_none() -> None:
    view = view_with(claim_object(name="shared-gpu", namespace="team-b"))
    [finding] = found(check, pod_object([of_claim("gpu")], container("gpu")), view)
    assert not finding.fixes[0].edits


def test_without_a_cluster_nothing_is_missed() -> None:
    pod = pod_object([of_claim("gpu", "x")], container("gpu"))
    assert found(check, pod, replace(view_with(), given=False)) == []

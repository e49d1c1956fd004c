"""What containers name: claims that the pod lists, and requests that these have."""

from tests.support.build import claim_object, request
from tests.support.pods import container, found, mended, of_claim, of_template, pod_object, template_object, view_with
from webhook.rules.pod_unknown_request import check

PARTS = {"name": "gpu", "firstAvailable": [{"name": "large", "deviceClassName": "x"}, {"name": "small"}]}


def test_a_claim_and_a_request_that_are_there_are_none_of_our_business() -> None:
    pod = pod_object([of_template("a")], container("a"), container({"name": "a", "request": "gpu"}, name="other"))
    assert found(check, pod) == []


def test_a_request_that_the_template_lacks_is_mended_with_the_near_name() -> None:
    pod = pod_object([of_template("a")], container({"name": "a", "request": "gpus"}))
    [finding] = found(check, pod)
    assert finding.message == "template 'single-gpu' has no request 'gpus'"
    assert str(finding.path) == "spec.containers[0].resources.claims[0].request"
    assert mended(check, pod)["spec"]["containers"][0]["resources"]["claims"] == [{"name": "a", "request": "gpu"}]


def test_the_one_request_there_is_was_meant_whatever_was_written() -> None:
    pod = pod_object([of_template("a")], container({"name": "a", "request": "accelerator"}))
    assert mended(check, pod)["spec"]["containers"][0]["resources"]["claims"][0]["request"] == "gpu"


def test_of_several_requests_none_is_guessed_and_the_whole_claim_is_offered() -> None:
    view = view_with(claim_object(request("left"), request("right"), name="shared-gpu"))
    pod = pod_object([of_claim("a")], container({"name": "a", "request": "middle"}))
    [finding] = found(check, pod, view)
    assert finding.message == "claim 'shared-gpu' has no request 'middle'"
    assert mended(check, pod, view)["spec"]["containers"][0]["resources"]["claims"] == [{"name": "a"}]


def test_an_alternative_is_named_by_its_request() -> None:
    view = view_with(template_object(PARTS))
    pod = pod_object([of_template("a")], container({"name": "a", "request": "small"}))
    [finding] = found(check, pod, view)
    assert finding.why.startswith("'small' is an alternative of 'gpu'")
    assert mended(check, pod, view)["spec"]["containers"][0]["resources"]["claims"][0]["request"] == "gpu"


def test_init_containers_are_looked_at() -> None:
    init = [container({"name": "a", "request": "gpus"})]
    pod = pod_object([of_template("a")], container("a"), initContainers=init)
    assert [str(finding.path) for finding in found(check, pod)] == [
        "spec.initContainers[0].resources.claims[0].request"
    ]


def test_a_claim_that_the_pod_does_not_list_is_mended_with_the_near_one() -> None:
    pod = pod_object([of_template("gpu"), of_template("nic")], container("gpuu", "nic"))
    [finding] = found(check, pod)
    assert finding.message == "container 'main' names claim 'gpuu', which the pod does not list"
    claims = mended(check, pod)["spec"]["containers"][0]["resources"]["claims"]
    assert claims == [{"name": "gpu"}, {"name": "nic"}]


def test_a_claim_that_nobody_uses_is_meant_where_no_name_is_near() -> None:
    pod = pod_object([of_template("accelerator")], container("gpu"))
    assert mended(check, pod)["spec"]["containers"][0]["resources"]["claims"] == [{"name": "accelerator"}]


def test_where_the_pod_lists_nothing_the_claim_is_to_be_listed() -> None:
    [finding] = found(check, pod_object([], container("gpu")))
    assert finding.fixes[0].message == "list 'gpu' in `spec.resourceClaims` with its claim or template"


def test_of_a_claim_that_is_not_known_no_request_is_missed() -> None:
    pod = pod_object([of_template("a", "elsewhere")], container({"name": "a", "request": "gpus"}))
    assert found(check, pod) == []


def test_ten_thousand_stray_names_are_not_all_compared() -> None:
    entries = [of_template(f"claim-{number}") for number in range(3_000)]
    pod = pod_object(entries, container(*(f"stray-{number}" for number in range(3_000))))
    findings = found(check, pod)
    assert len(findings) == 3_000
    assert sum(bool(finding.fixes[0].edits) for finding in findings) == 16

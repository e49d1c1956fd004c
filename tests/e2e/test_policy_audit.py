"""`drawbridge policies audit` over a thousand claims of a live cluster, and the PolicyReports that it writes."""

import http.client
import json
import subprocess
import time
from collections.abc import Iterator, Mapping

import pytest

from tests.controlplane.api import Api, ApiError, Json, path_of
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import DRAWBRIDGE
from tests.controlplane.objects import CLAIM_POLICIES, CLAIMS, make_claim_object, make_exact_request
from tests.controlplane.policy_reports import CLUSTER_REPORTS, CRDS, REPORTS, policy_report_crds
from tests.controlplane.waiting import wait_for
from tests.support.policies import policy_object

pytestmark = pytest.mark.e2e

EVERY = 1000
WRONG = 250


@pytest.fixture(scope="module")
def policy(cluster: ControlPlane, installation: object) -> Iterator[Json]:  # noqa: ARG001 - the CRDs must be there
    """A stored policy that asks for a team."""
    expression = "object.metadata.?labels[?'team'].orValue('') != ''"
    manifest = policy_object("audited", validations=[{"expression": expression, "message": "must have a team"}])
    with cluster.api.temporarily(CLAIM_POLICIES, manifest) as stored:
        yield stored


@pytest.fixture(scope="module")
def reports(cluster: ControlPlane) -> Iterator[None]:
    """A cluster that serves PolicyReports."""
    api = cluster.api
    with api.temporarily(CRDS, policy_report_crds()[0]), api.temporarily(CRDS, policy_report_crds()[1]):
        wait_for("PolicyReports", lambda: _served(api))
        yield


def _served(api: Api) -> bool:
    try:
        return all(api.send("GET", path_of(resource)).code == 200 for resource in (REPORTS, CLUSTER_REPORTS))
    except ApiError:
        return False


@pytest.fixture(scope="module")
def claims(cluster: ControlPlane) -> Iterator[tuple[str, str]]:
    """A thousand claims in two namespaces, every fourth without a team."""
    names = cluster.create_namespace("audited-"), cluster.create_namespace("audited-")
    with cluster.connection() as (connection, headers):
        for number in range(EVERY):
            claim = make_claim_object(names[number % 2], f"claim-{number}", make_exact_request())
            if number % 4:
                claim["metadata"]["labels"] = {"team": "a"}
            _create(connection, headers, claim)
    yield names
    for name in names:
        cluster.delete_namespace(name)


def _create(connection: http.client.HTTPSConnection, headers: Mapping[str, str], claim: Json) -> None:
    connection.request("POST", path_of(CLAIMS, claim["metadata"]["namespace"]), json.dumps(claim), headers)
    answer = connection.getresponse()
    assert answer.status == 201, answer.read()
    answer.read()


@pytest.fixture
def ending(cluster: ControlPlane) -> Iterator[str]:
    """A namespace that is about to go, and cannot yet: it takes no new objects."""
    name = cluster.create_namespace("ending-")
    claim = make_claim_object(name, "held", make_exact_request())
    claim["metadata"]["finalizers"] = ["example.com/held"]
    cluster.api.create(CLAIMS, claim)
    cluster.delete_namespace(name)
    yield name
    cluster.api.patch(CLAIMS, "held", {"metadata": {"finalizers": None}}, name)


def _audit(cluster: ControlPlane, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(DRAWBRIDGE), "policies", "audit", "--kubeconfig", str(cluster.kubeconfig()), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_cluster_without_policy_reports_says_so(cluster: ControlPlane, policy: Json, namespace: str) -> None:
    assert policy["metadata"]["name"] == "audited"
    cluster.api.create(CLAIMS, make_claim_object(namespace, "one", make_exact_request()))
    done = _audit(cluster, "--write")
    assert done.returncode == 2
    assert "the cluster does not serve wgpolicyk8s.io/v1alpha2; install its CRDs" in done.stderr


@pytest.mark.usefixtures("policy", "reports")
def test_a_thousand_claims_are_audited_and_reported(
    cluster: ControlPlane, claims: tuple[str, str], ending: str
) -> None:
    begun = time.monotonic()
    done = _audit(cluster, "-o", "json", "--write")
    print(f"audit of {EVERY} claims with --write: {time.monotonic() - begun:.1f} s")
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    found = [one for one in report["results"] if one["object"].get("namespace") in claims]
    assert {one["result"] for one in found} == {"fail"}
    assert len(found) == WRONG
    even, odd = (cluster.api.get(REPORTS, "drawbridge", name) for name in claims)
    assert even["summary"] == {"fail": WRONG, "warn": 0, "error": 0, "pass": WRONG, "skip": 0}
    assert odd["summary"] == {"fail": 0, "warn": 0, "error": 0, "pass": EVERY // 2, "skip": 0}
    assert [one["object"]["name"] for one in report["results"] if one["object"].get("namespace") == ending] == ["held"]
    assert cluster.api.find(REPORTS, "drawbridge", ending) is None
    first = even["results"][0]
    assert (first["policy"], first["result"], first["message"]) == ("audited", "fail", "must have a team")
    named = first["resources"][0]
    assert cluster.api.get(CLAIMS, named["name"], named["namespace"])["metadata"]["uid"] == named["uid"]

    for number in (0, 4):
        cluster.api.patch(CLAIMS, f"claim-{number}", {"metadata": {"labels": {"team": "b"}}}, claims[0])
    only = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": claims[0]}}}
    cluster.api.patch(CLAIM_POLICIES, "audited", {"spec": {"match": {**only, "resources": ["claims"]}}})
    assert "PolicyReports: 1 written" in _audit(cluster, "--write").stderr
    again = cluster.api.get(REPORTS, "drawbridge", claims[0])
    assert (again["summary"]["fail"], len(again["results"])) == (WRONG - 2, WRONG - 2)
    assert cluster.api.find(REPORTS, "drawbridge", claims[1]) is None

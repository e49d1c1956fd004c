"""Whom the API server takes for Drawbridge, and who decides where it takes nobody for it."""

import re
from pathlib import Path

import pytest

from tests.controlplane.api import Api, ApiError, Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import ServeProcess, issue_certificates
from tests.controlplane.gate import Gate, denied_by, wait_until_asked
from tests.controlplane.installation import Installation
from tests.controlplane.objects import CLAIMS, make_claim_object, make_exact_request
from tests.controlplane.waiting import wait_for
from tests.controlplane.webhooks import RESOURCES, installed_webhooks

pytestmark = pytest.mark.e2e
UNKNOWN_AUTHORITY = "tls: failed to verify certificate: x509: certificate signed by unknown authority"


@pytest.fixture
def strangers(tmp_path: Path) -> Path:
    """The bundle of a CA that did not issue the replica's certificate."""
    return issue_certificates(tmp_path / "strangers")


def _claim_webhooks(installation: Installation, failure_policy: str) -> list[Json]:
    """Return the registration of deploy/ for claims alone, under one failure policy."""
    return [
        {
            **manifest,
            "webhooks": [
                {**webhook, "failurePolicy": failure_policy}
                for webhook in manifest["webhooks"]
                if webhook["name"].startswith("claims.")
            ],
        }
        for manifest in installation.webhooks
    ]


def _outcome(api: Api, claim: Json) -> str:
    """Return the name of a claim that would be created, else the words of the refusal."""
    try:
        return str(api.create(CLAIMS, claim, dry_run=True)["metadata"]["name"])
    except ApiError as error:
        return error.message


def _let_fail_open(api: Api, installed: list[Json]) -> None:
    for manifest in installed:
        webhooks = [{**webhook, "failurePolicy": "Ignore"} for webhook in manifest["webhooks"]]
        api.patch(RESOURCES[manifest["kind"]], manifest["metadata"]["name"], {"webhooks": webhooks})


def test_fm_14_a_wrong_bundle_fails_the_call_and_the_failure_policy_decides(
    cluster: ControlPlane, installation: Installation, replica: ServeProcess, namespace: str, strangers: Path
) -> None:
    api = cluster.api
    claim = make_claim_object(namespace, "training", make_exact_request())
    uncompilable = make_claim_object(namespace, "wrong", make_exact_request(1, "any", "device.nothing"))
    failing = _claim_webhooks(installation, "Fail")
    with installed_webhooks(api, failing, replica.url, strangers, namespace) as installed:
        wait_for("refusal by Fail", lambda: UNKNOWN_AUTHORITY in _outcome(api, claim))
        done = cluster.kubectl("create", "-f", "-", manifests=[claim], check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert re.fullmatch(
            r'Error from server \(InternalError\): error when creating "STDIN": Internal error occurred: '
            r'failed calling webhook "claims\.mutate\.drawbridge\.dev": failed to call webhook: '
            rf'Post "{re.escape(replica.url)}/mutate/claims\?timeout=3s": {UNKNOWN_AUTHORITY}.*\n',
            done.stderr,
        )
        assert api.find(CLAIMS, "training", namespace) is None

        _let_fail_open(api, installed)
        wait_for("creation by Ignore", lambda: _outcome(api, claim) == "training")
        cluster.kubectl("create", "-f", "-", manifests=[claim])
        assert api.find(CLAIMS, "training", namespace)
        assert "undefined field 'nothing'" in _outcome(api, uncompilable)  # the API server's compiler, in its own words


def test_as_deployed_a_claim_that_cannot_be_judged_is_refused(
    cluster: ControlPlane, installation: Installation, replica: ServeProcess, namespace: str, strangers: Path
) -> None:
    """`/mutate/claims` is passed by, as the API server compiles too; `/validate/claims` is not."""
    claim = make_claim_object(namespace, "training", make_exact_request())
    with installed_webhooks(cluster.api, installation.webhooks, replica.url, strangers, namespace):
        wait_for("refusal", lambda: UNKNOWN_AUTHORITY in _outcome(cluster.api, claim))
        assert 'failed calling webhook "claims.validate.drawbridge.dev"' in _outcome(cluster.api, claim)


def test_fm_14_while_a_ca_is_replaced_both_are_believed(
    gate: Gate, replica: ServeProcess, namespace: str, strangers: Path, tmp_path: Path
) -> None:
    both = tmp_path / "both.crt"
    both.write_bytes(strangers.read_bytes() + gate.ca_file.read_bytes())
    api = gate.cluster.api
    with installed_webhooks(api, gate.installation.webhooks, replica.url, both, namespace):
        wait_until_asked(api, namespace)
        uncompilable = make_claim_object(namespace, "wrong", make_exact_request(1, "any", "device.nothing"))
        assert denied_by(api, uncompilable) == {"cel-type"}

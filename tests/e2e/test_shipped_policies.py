"""Shipped policies as the program installs them on the real API server, and exceptions from one that end."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from tests.controlplane.api import Api, ApiError, Json, path_of
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import DRAWBRIDGE
from tests.controlplane.installation import Installation
from tests.controlplane.objects import CLAIM_POLICIES, CLAIMS, make_claim_object, make_exact_request
from tests.controlplane.waiting import wait_for
from webhook.kube.pack import shipped_policies

pytestmark = pytest.mark.e2e

NAMES = list(shipped_policies())
LIMITS = "device-limits"


@pytest.fixture(scope="module")
def installed(cluster: ControlPlane, installation: Installation) -> Iterator[ControlPlane]:  # noqa: ARG001 - the CRDs must be there
    """A cluster with every shipped policy, which only records."""
    assert _install(cluster) == dict.fromkeys(NAMES, "created")
    yield cluster
    for name in NAMES:
        cluster.api.delete(CLAIM_POLICIES, name)


def _install(cluster: ControlPlane) -> dict[str, str]:
    """Install all shipped policies in the mode Audit; return what became of each."""
    flags = ["--apply", "--mode", "Audit", "--kubeconfig", str(cluster.kubeconfig())]
    command = [str(DRAWBRIDGE), "policies", "install", *flags, *NAMES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = (line.removeprefix("policy '").partition("' ") for line in done.stdout.splitlines())
    return {name: outcome for name, _, outcome in told}


def test_installing_again_leaves_alone_what_somebody_changed(installed: ControlPlane) -> None:
    assert _install(installed) == dict.fromkeys(NAMES, "unchanged")
    installed.api.patch(CLAIM_POLICIES, LIMITS, {"spec": {"mode": "Warn"}})
    again = _install(installed)
    assert again.pop(LIMITS).startswith("refused: somebody has changed it there: ")
    assert {*again.values()} == {"unchanged"}
    assert installed.api.get(CLAIM_POLICIES, LIMITS)["spec"]["mode"] == "Warn"


def test_an_exception_holds_until_its_day(installed: ControlPlane, guarded: str) -> None:
    api, today = installed.api, datetime.now(UTC).date()
    claim = make_claim_object(guarded, "many", make_exact_request(8))
    for days, wanted in ((-2, "denied"), (60, "allowed"), (-2, "denied"), (3, "warned")):
        until = str(today + timedelta(days=days))
        exception = {"namespaces": [guarded], "until": until, "reason": "moving"}
        api.patch(CLAIM_POLICIES, LIMITS, {"spec": {"mode": "Deny", "exceptions": [exception]}})
        wait_for(f"{wanted} until {until}", partial(_has_outcome, api, claim, wanted))


def _has_outcome(api: Api, claim: Json, wanted: str) -> bool:
    return _outcome(api, claim) == wanted


def _outcome(api: Api, claim: Json) -> str:
    """Return "denied" or "warned" by the limits, or "allowed"."""
    try:
        namespace = claim["metadata"]["namespace"]
        answer = api.send("POST", path_of(CLAIMS, namespace), claim, query={"dryRun": "All"})
    except ApiError as error:
        return "denied" if f"policy/{LIMITS}" in json.dumps(error.status) else error.message
    return "warned" if any(f"policy/{LIMITS}" in warning for warning in answer.warnings) else "allowed"

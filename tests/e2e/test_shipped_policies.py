"""The shipped policies on the real API server: installed by the program, asked by kubectl, changed while they serve."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.controlplane.api import Api, ApiError, Json, Response, path_of
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import DRAWBRIDGE, ServeProcess
from tests.controlplane.gate import Gate
from tests.controlplane.objects import CLAIMS, make_claim_object, make_exact_request
from tests.controlplane.waiting import wait_for
from webhook.core.suites import Expected, Suite, SuiteCase, merged, parse_suite
from webhook.kube.pack import PACK, shipped_policies

pytestmark = pytest.mark.e2e

POLICIES = "drawbridge.dev/v1alpha1/claimpolicies"
GROUP = "pack-users"
"""A group of everybody who asks here, so that nobody lacks a right."""
NAMES = list(shipped_policies())
LISTED = PACK / "class-allow-list" / "classes.yaml"


def _of(namespace: str) -> str:
    """Return the name that a namespace of the pack has here: other tests have namespaces of theirs."""
    return f"pack-{namespace}"


def _manifests(file: Path) -> list[Json]:
    return list(yaml.safe_load_all(file.read_text()))


@pytest.fixture(scope="module")
def installed(gate: Gate, replica: ServeProcess) -> Iterator[ControlPlane]:
    """The cluster of the pack's suites, guarded, with every policy of it in the mode Audit."""
    cluster, api = gate.cluster, gate.cluster.api
    objects = _manifests(PACK / "cluster.yaml")
    namespaces = [one for one in objects if one["kind"] == "Namespace"]
    for one in namespaces:
        api.create("v1/namespaces", {**one, "metadata": {**one["metadata"], "name": _of(one["metadata"]["name"])}})
    named = [_of(one["metadata"]["name"]) for one in namespaces]
    classes = [one for one in objects if one["kind"] == "DeviceClass"]
    slices = [one for one in objects if one["kind"] == "ResourceSlice"]
    (listed,) = _manifests(LISTED)
    api.create("v1/configmaps", _here(listed))
    with (
        api.temporarily("rbac.authorization.k8s.io/v1/clusterrolebindings", _rights()),
        cluster.with_devices([], classes, slices),
        gate.guarding(named, replica.port),
    ):
        assert {*_install(cluster, "--mode", "Audit").values()} == {"created"}
        yield cluster
        for name in NAMES:
            api.delete(POLICIES, name)
    for name in named:
        cluster.delete_namespace(name)


def _rights() -> Json:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": GROUP},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": group, "kind": "Group", "name": GROUP}],
    }


def _install(cluster: ControlPlane, *options: str) -> dict[str, str]:
    """Install all shipped policies; return what became of each."""
    command = [str(DRAWBRIDGE), "policies", "install", "--apply", "--kubeconfig", str(cluster.kubeconfig()), *options]
    done = subprocess.run([*command, *NAMES], capture_output=True, text=True, check=False)
    told = (line.partition("' ") for line in done.stdout.splitlines())
    return {name.removeprefix("policy '"): outcome for name, _, outcome in told}


def _here(manifest: Json) -> Json:
    """Return an object of the pack in its namespace here."""
    metadata = manifest["metadata"]
    if "namespace" not in metadata:
        return manifest
    return {**manifest, "metadata": {**metadata, "namespace": _of(metadata["namespace"])}}


def _asked(cluster: ControlPlane, suite: Suite, case: SuiteCase) -> str:
    """Return what kubectl says of the object of a case, sent by the case's user; empty where it is allowed."""
    user = case.user or suite.user
    who = ["--as", user.name, *(word for group in (*user.groups, GROUP) for word in ("--as-group", group))]
    manifest = merged(suite.base, case.object)
    assert isinstance(manifest, dict)
    command = ("create", "--dry-run=server", "-f", "-", *who)
    done = cluster.kubectl(*command, manifests=json.dumps(_here(manifest)), check=False)
    assert done.returncode or "created (server dry run)" in done.stdout
    return done.stderr if done.returncode else ""


def _first(suite: Suite, decision: Expected) -> SuiteCase:
    return next(case for case in suite.cases if case.expect.decision is decision)


def test_a_policy_that_somebody_changed_is_not_overwritten(installed: ControlPlane) -> None:
    again = _install(installed, "--mode", "Audit")
    assert {outcome.partition(":")[0] for outcome in again.values()} == {"unchanged"}
    name = NAMES[0]
    installed.api.patch(POLICIES, name, {"spec": {"mode": "Warn"}})
    assert _install(installed, "--mode", "Audit")[name].startswith("refused: somebody has changed it there: ")
    assert installed.api.get(POLICIES, name)["spec"]["mode"] == "Warn"
    installed.api.patch(POLICIES, name, {"spec": {"mode": "Audit"}})


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_policy_denies_and_allows_as_its_suite_says(installed: ControlPlane, name: str) -> None:
    suite = parse_suite(_manifests(PACK / name / "suite.yaml")[0])
    denied, allowed = _first(suite, Expected.DENY), _first(suite, Expected.ALLOW)
    assert _asked(installed, suite, denied) == ""
    installed.api.patch(POLICIES, name, {"spec": {"mode": "Deny"}})
    said = wait_for(f"effect of {name}", lambda: _asked(installed, suite, denied))
    assert f"policy/{name}" in said
    assert (denied.expect.message or "")[:80] in said  # a first line is cut
    assert _asked(installed, suite, allowed) == ""
    installed.api.patch(POLICIES, name, {"spec": {"mode": "Audit"}})


def _sent(api: Api, manifest: Json) -> Response:
    return api.send("POST", path_of(CLAIMS, manifest["metadata"]["namespace"]), manifest, query={"dryRun": "All"})


def _outcome(api: Api, manifest: Json, policy: str) -> str:
    """Return "denied" or "warned" by the policy, or "allowed"."""
    try:
        warned = any(f"policy/{policy}" in warning for warning in _sent(api, manifest).warnings)
    except ApiError as error:
        return "denied" if f"policy/{policy}" in json.dumps(error.status) else error.message
    return "warned" if warned else "allowed"


def _wait_for_outcome(api: Api, manifest: Json, policy: str, wanted: str) -> None:
    wait_for(f"{policy}: {wanted}", lambda: _outcome(api, manifest, policy) == wanted)


def test_an_exception_holds_until_its_day(installed: ControlPlane) -> None:
    api, today = installed.api, datetime.now(UTC).date()
    claim = make_claim_object(_of("team-a"), "many", make_exact_request(8))
    outcome = partial(_wait_for_outcome, api, claim, "device-limits")

    def excepted(days: int) -> Sequence[Json]:
        until = str(today + timedelta(days=days))
        return [{"namespaces": [_of("team-a")], "until": until, "reason": "moving"}]

    for days, wanted in ((-2, "denied"), (60, "allowed"), (-2, "denied"), (3, "warned")):
        api.patch(POLICIES, "device-limits", {"spec": {"mode": "Deny", "exceptions": excepted(days)}})
        outcome(wanted)
    api.patch(POLICIES, "device-limits", {"spec": {"mode": "Audit", "exceptions": None}})
    outcome("allowed")


def test_parameters_are_those_of_the_namespace_and_may_change(installed: ControlPlane) -> None:
    api, policy = installed.api, "class-allow-list"
    shared = {
        name: make_claim_object(_of(name), "one", make_exact_request(1, "shared.example.com"))
        for name in ("team-a", "team-b")
    }
    api.patch(POLICIES, policy, {"spec": {"mode": "Deny"}})
    (listed,) = _manifests(LISTED)
    of_b = {
        **listed,
        "metadata": {**listed["metadata"], "namespace": "team-b"},
        "data": {"classes": "shared.example.com"},
    }
    for claim in shared.values():
        _wait_for_outcome(api, claim, policy, "denied")
    with api.temporarily("v1/configmaps", _here(of_b)):
        _wait_for_outcome(api, shared["team-b"], policy, "allowed")
        assert _outcome(api, shared["team-a"], policy) == "denied"
        api.patch("v1/configmaps", "device-classes", {"data": {"classes": "shared.example.com"}}, _of("team-a"))
        _wait_for_outcome(api, shared["team-a"], policy, "allowed")
    _wait_for_outcome(api, shared["team-b"], policy, "denied")
    api.patch(POLICIES, policy, {"spec": {"mode": "Audit"}})

"""The shipped policies on a real control plane: what their suites expect is what the API server answers."""

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.controlplane.api import Json, path_of
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import ControllerProcess, ServeProcess
from tests.controlplane.gate import Gate
from tests.controlplane.objects import CLAIM_POLICIES, make_node
from tests.controlplane.waiting import wait_for
from webhook.bootstrap.suites import PlacedSuite, Prepared, load_suites
from webhook.core.suites import Expected

pytestmark = pytest.mark.e2e

PACK = Path(__file__).resolve().parents[2] / "policies" / "pack"
CONFIG_MAPS = "v1/configmaps"
# Refused by the API server itself before a validating webhook is asked.
REFUSED_BEFORE = "administrators need the label too"


def documents(path: Path) -> list[Json]:
    return list(yaml.safe_load_all(path.read_text()))


@pytest.fixture(scope="module")
def pack(
    cluster: ControlPlane, gate: Gate, replica: ServeProcess, controller: ControllerProcess
) -> Iterator[ControlPlane]:
    """The cluster of the pack's suites, with all of its policies at once."""
    del controller  # it only has to run
    by_kind: dict[str, list[Json]] = {}
    for manifest in documents(PACK / "cluster.yaml"):
        by_kind.setdefault(manifest["kind"], []).append(manifest)
    names = [namespace["metadata"]["name"] for namespace in by_kind["Namespace"]]
    nodes = [make_node(manifest["spec"]["nodeName"]) for manifest in by_kind["ResourceSlice"]]
    policies = [document for file in sorted(PACK.glob("*/policy.yaml")) for document in documents(file)]
    with ExitStack() as exits:
        for namespace in by_kind["Namespace"]:
            metadata = namespace["metadata"]
            exits.enter_context(cluster.named_namespace(metadata["name"], metadata.get("labels")))
        exits.enter_context(cluster.with_devices(nodes, by_kind["DeviceClass"], by_kind["ResourceSlice"]))
        for manifest in documents(PACK / "class-allow-list" / "classes.yaml"):
            cluster.api.create(CONFIG_MAPS, manifest)
        exits.enter_context(gate.guarding(names, replica.port))
        for policy in policies:
            exits.enter_context(cluster.api.temporarily(CLAIM_POLICIES, policy))
        for policy in policies:
            wait_for("the policy to be ready", partial(is_ready, cluster, policy["metadata"]["name"]))
        yield cluster


def is_ready(cluster: ControlPlane, name: str) -> bool:
    conditions = cluster.api.get(CLAIM_POLICIES, name).get("status", {}).get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def answered(
    connection: http.client.HTTPSConnection, headers: Mapping[str, str], suite: PlacedSuite, prepared: Prepared
) -> str:
    """Return what the API server answers to the creation of a case's object by its user; nothing is stored."""
    user = prepared.case.user or suite.suite.user
    raw = prepared.object
    resource = f"{raw['apiVersion']}/{raw['kind'].lower()}s"
    connection.putrequest("POST", f"{path_of(resource, prepared.namespace)}?dryRun=All")
    body = json.dumps(raw).encode()
    # The rights of an administrator: only admission is asked about the user.
    for name, value in (*headers.items(), ("Impersonate-User", user.name), ("Content-Length", str(len(body)))):
        connection.putheader(name, value)
    for group in (*user.groups, "system:masters"):
        connection.putheader("Impersonate-Group", group)
    connection.endheaders(body)
    return connection.getresponse().read().decode()


def test_the_api_server_answers_as_the_suites_expect(pack: ControlPlane) -> None:
    suites, problems = load_suites([PACK])
    assert problems == ()
    compared = 0
    with pack.connection() as (connection, headers):
        for suite in suites:
            rule = f"[policy/{suite.suite.name}]"
            for prepared in suite.cases:
                case = prepared.case
                if case.name == REFUSED_BEFORE or any(isinstance(part, dict) for part in case.cluster):
                    continue
                denied = case.expect.decision is Expected.DENY

                def as_expected(
                    suite: PlacedSuite = suite, prepared: Prepared = prepared, rule: str = rule, denied: bool = denied
                ) -> bool:
                    said = answered(connection, headers, suite, prepared)
                    assert '"code":404' not in said, said
                    return (rule in said) is denied

                wait_for(f"{suite.suite.name}: {case.name}", as_expected, seconds=5)
                compared += 1
    assert compared >= 50


def test_kubectl_shows_what_a_shipped_policy_says(pack: ControlPlane) -> None:
    claim = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": {"name": "training", "namespace": "team-a"},
        "spec": {
            "spec": {
                "devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.nvidia.com", "count": 5}}]}
            }
        },
    }
    done = pack.kubectl("create", "--dry-run=server", "-f", "-", manifests=[claim], check=False)
    assert "a claim may take at most 4 devices, and this one may take 5 [policy/device-limits]" in done.stderr


def test_t_11_the_label_of_admin_access_is_kept_by_kubernetes_own_policy(cluster: ControlPlane) -> None:
    label = "resource.kubernetes.io/admin-access=true"
    guard = documents(PACK / "admin-access" / "namespace-label.yaml")
    group = "admissionregistration.k8s.io/v1"
    policy, binding = guard
    with (
        cluster.api.temporarily(f"{group}/validatingadmissionpolicies", policy),
        cluster.api.temporarily(f"{group}/validatingadmissionpolicybindings", binding),
    ):
        name = cluster.create_namespace()
        someone = ("--as", "eve", "--as-group", "namespace-admins")
        cluster.kubectl("create", "clusterrolebinding", "eve", "--clusterrole=cluster-admin", "--user=eve")
        try:

            def refused() -> bool:
                done = cluster.kubectl("label", "namespace", name, label, "--dry-run=server", *someone, check=False)
                return "is for gpu-admins and gpu-operators" in done.stderr

            wait_for("the policy to be enforced", refused)
            cluster.kubectl("label", "namespace", name, "other=1", "--dry-run=server", *someone)
            admin = ("--as", "eve", "--as-group", "gpu-admins")
            cluster.kubectl("label", "namespace", name, label, *admin)
            done = cluster.kubectl("label", "namespace", name, f"{label[:-5]}-", *someone, check=False)
            assert "is for gpu-admins and gpu-operators" in done.stderr
        finally:
            cluster.kubectl("delete", "clusterrolebinding", "eve")
            cluster.delete_namespace(name)

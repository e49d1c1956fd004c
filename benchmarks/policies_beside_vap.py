"""What 500 policies add to a claim's creation: ours, and the same as ValidatingAdmissionPolicies, in one API server.

    .venv/bin/python -m benchmarks.policies_beside_vap

Needs the programs of `make controlplane`. Claims are created in dry runs in four namespaces in turns: one without
anything, one with the ValidatingAdmissionPolicies, one with the webhooks and no policy that concerns it, and one with
the webhooks and all the policies. All hold, so each is evaluated to its end.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from tests.controlplane.api import Api, Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import issue_certificates
from tests.controlplane.gate import Gate
from tests.controlplane.installation import install
from tests.controlplane.objects import CLAIM_POLICIES, CLAIMS, make_claim_object, make_exact_request
from tests.controlplane.waiting import wait_for

POLICIES = 500
ROUNDS = 150
GROUP = "admissionregistration.k8s.io/v1"
BOTH = {"apiVersion": GROUP}
ALL = "object.spec.devices.requests.all(r, !has(r.exactly) || r.exactly.{})"


def validations(number: int) -> list[Json]:
    return [
        {"expression": ALL.format(f"deviceClassName != 'class-{number}'"), "message": "not this class"},
        {"expression": ALL.format(f"count <= {number + 8}"), "message": "too many devices"},
    ]


def ours(number: int, namespace: str) -> Json:
    only = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    spec = {"match": {"namespaceSelector": only, "resources": ["claims"]}, "validations": validations(number)}
    metadata = {"name": f"policy-{number}"}
    return {"apiVersion": "drawbridge.dev/v1alpha1", "kind": "ClaimPolicy", "metadata": metadata, "spec": spec}


def theirs(number: int, namespace: str) -> tuple[Json, Json]:
    """Return a ValidatingAdmissionPolicy and its binding."""
    rules = [{"apiGroups": ["resource.k8s.io"], "apiVersions": ["v1"], "operations": ["CREATE"]}]
    constraints = {"resourceRules": [{**rules[0], "resources": ["resourceclaims"]}]}
    name = f"policy-{number}"
    policy = {**BOTH, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}}
    binding = {**BOTH, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name}}
    only = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    matched = {"namespaceSelector": only}
    return (
        {**policy, "spec": {"matchConstraints": constraints, "validations": validations(number)}},
        {**binding, "spec": {"policyName": name, "validationActions": ["Deny"], "matchResources": matched}},
    )


def refused(api: Api, namespace: str, device_class: str) -> bool:
    claim = make_claim_object(namespace, "probe", make_exact_request(1, device_class))
    try:
        api.create(CLAIMS, claim, dry_run=True)
    except Exception as error:  # noqa: BLE001 - whatever refuses it
        return "not this class" in str(error)
    return False


@contextmanager
def prepared() -> Iterator[tuple[Api, dict[str, str]]]:
    """Yield the API and the namespaces by what holds in them."""
    with ExitStack() as exits:
        cluster = exits.enter_context(ControlPlane())
        installation = install(cluster)
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory()))
        issue_certificates(folder)
        gate, api = Gate(cluster, installation, folder), cluster.api
        replica = gate.serve("--drain-seconds", "0")
        exits.callback(replica.stop)
        labels = ("nothing", "VAPs", "webhooks", "webhooks and policies")
        spaces = {label: cluster.create_namespace() for label in labels}
        wait_for("readiness", replica.is_ready)
        for number in range(POLICIES):
            api.create(CLAIM_POLICIES, ours(number, spaces["webhooks and policies"]))
            policy, binding = theirs(number, spaces["VAPs"])
            api.create(f"{GROUP}/validatingadmissionpolicies", policy)
            api.create(f"{GROUP}/validatingadmissionpolicybindings", binding)
        guarded = [spaces["webhooks"], spaces["webhooks and policies"]]
        exits.enter_context(gate.guarding(guarded, replica.port))
        last = f"class-{POLICIES - 1}"
        for label in ("VAPs", "webhooks and policies"):
            wait_for(f"the policies of {label}", partial(refused, api, spaces[label], last), seconds=120)
        yield api, spaces


def main() -> None:
    with prepared() as (api, spaces):
        times: dict[str, list[float]] = {label: [] for label in spaces}
        for number in range(ROUNDS):
            for label, namespace in spaces.items():
                claim = make_claim_object(namespace, f"claim-{number}", make_exact_request(1, "gpu.nvidia.com"))
                started = time.perf_counter()
                api.create(CLAIMS, claim, dry_run=True)
                times[label].append((time.perf_counter() - started) * 1000)
    print(f"{POLICIES} policies of two validations; {ROUNDS} claims each, in turns")
    for label, found in times.items():
        worst = statistics.quantiles(found, n=100)[98]
        print(f"{label:22} median {statistics.median(found):6.1f} ms, p99 {worst:6.1f} ms")


if __name__ == "__main__":
    main()

"""What `drawbridge policies export` prints is taken by the real API server without a warning, and judges as we do."""

import asyncio
import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.controlplane.api import Api, ApiError, Json, path_of
from tests.controlplane.cluster import ADMINISTRATOR, ControlPlane
from tests.controlplane.drawbridge import DRAWBRIDGE
from tests.controlplane.objects import CLASSES, make_device_class
from tests.controlplane.waiting import wait_for
from tests.e2e.exported_policies import LABEL, POLICIES, config_maps, objects_of
from tests.support.judging import admission_over
from webhook.bootstrap.admission import Admission
from webhook.core.finding import Severity
from webhook.policy.export import POLICY
from webhook.server.limits import Budget
from webhook.server.wire import parse_review

pytestmark = pytest.mark.e2e

GROUP = "admissionregistration.k8s.io/v1"
USERS = (ADMINISTRATOR, "alice", "bob")
ENDPOINTS = {"pods": "/validate/pods", "deployments": "/validate/workloads"}
NAMES = tuple(policy["metadata"]["name"] for policy in POLICIES)
TOLD = re.compile(r"ValidatingAdmissionPolicy '[^']+' with binding '[^']+'(?: denied request)?: (.*)", re.DOTALL)
QUIET = {"audits"}
UNSPOKEN = "the policy could not be evaluated"


@dataclass(frozen=True)
class Attempt:
    """One request: who sends what, and the object that it replaces, if one."""

    policy: str
    user: str
    plural: str
    manifest: Json
    old: Json | None = None

    @property
    def resource(self) -> str:
        return f"{self.manifest['apiVersion']}/{self.plural}"

    def send(self, api: Api) -> tuple[Json, tuple[str, ...]]:
        """Return the object as it would be stored, and the warnings of policies; ApiError for a refusal."""
        metadata = self.manifest["metadata"]
        name = metadata["name"] if self.old is not None else None
        path = path_of(self.resource, metadata.get("namespace"), name)
        answer = api.send("POST" if name is None else "PUT", path, self.manifest, query={"dryRun": "All"})
        told = (TOLD.search(warning) for warning in answer.warnings)
        return answer.body, tuple(sorted(found[1] for found in told if found))

    def review(self, stored: Json, user: Json) -> bytes:
        """Return the review that a webhook would be sent."""
        group, _, version = self.manifest["apiVersion"].rpartition("/")
        kind = {"group": group, "version": version, "kind": self.manifest["kind"]}
        resource = {"group": group, "version": version, "resource": self.plural}
        request = {
            "uid": "review",
            "kind": kind,
            "requestKind": kind,
            "resource": resource,
            "requestResource": resource,
            "name": stored["metadata"]["name"],
            "namespace": stored["metadata"].get("namespace", ""),
            "operation": "CREATE" if self.old is None else "UPDATE",
            "userInfo": user,
            "object": stored,
            "oldObject": self.old,
            "dryRun": True,
        }
        return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()

    def is_asked_about(self) -> bool:
        """Return whether the webhook's matchConditions let it through to us."""
        spec = self.manifest.get("spec", {})
        pod = spec.get("template", {}).get("spec", spec) if self.plural in ENDPOINTS else None
        return pod is None or "resourceClaims" in pod


@dataclass(frozen=True)
class Verdict:
    """What is refused and warned of, in the policies' own words."""

    denials: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def speaks(self) -> bool:
        return bool(self.denials or self.warnings)

    def is_one_of(self, ours: "Verdict") -> bool:
        """Return whether the API server agrees: it tells one denial alone, and has its own words for errors."""
        if self.denials and ours.denials:
            return self.denials[0] in ours.denials or any(UNSPOKEN in said for said in ours.denials)
        return self == ours


@pytest.fixture(scope="module")
def namespaces(cluster: ControlPlane) -> Iterator[Mapping[str, str]]:
    """A namespace for each policy, by its name, with its parameters."""
    made = {name: cluster.create_namespace("exported-", {LABEL: name, "tier": "prod"}) for name in NAMES}
    for policy, config_map in config_maps():
        manifest = {**config_map, "metadata": {**config_map["metadata"], "namespace": made[policy]}}
        cluster.api.create("v1/configmaps", manifest)
    rights = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "exported"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user} for user in ("alice", "bob")
        ],
    }
    with cluster.api.temporarily("rbac.authorization.k8s.io/v1/clusterrolebindings", rights):
        yield made
    for name in made.values():
        cluster.delete_namespace(name)


@pytest.fixture(scope="module")
def device_class(cluster: ControlPlane) -> Iterator[Json]:
    """A stored DeviceClass that no team has."""
    manifest = make_device_class("exported-stored")
    manifest["metadata"]["labels"] = {LABEL: "classes"}
    with cluster.api.temporarily(CLASSES, manifest) as stored:
        yield stored


def test_the_api_server_judges_by_exported_policies_as_drawbridge_does(
    cluster: ControlPlane, namespaces: Mapping[str, str], device_class: Json, tmp_path: Path
) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text(yaml.safe_dump_all(POLICIES))
    apis = {user: cluster.api_as(user) for user in USERS}
    users = {user: _user(api) for user, api in apis.items()}
    attempts = [*_creations(namespaces), *_updates(device_class)]
    reviews = [attempt.review(attempt.send(apis[attempt.user])[0], users[attempt.user]) for attempt in attempts]
    expected = _our_verdicts(cluster, tmp_path, attempts, reviews)
    assert {one.policy for one, said in zip(attempts, expected, strict=True) if said.speaks} == {*NAMES} - QUIET

    exported = subprocess.run(
        [str(DRAWBRIDGE), "policies", "export", "--vap", str(file)], capture_output=True, text=True, check=True
    )
    assert exported.stderr.endswith(f"{len(POLICIES)} of {len(POLICIES)} policies exported\n")
    with _applied(cluster, exported.stdout):
        _wait_until_effective(apis, attempts, expected)
        theirs = [_their_verdict(attempt, apis[attempt.user]) for attempt in attempts]
    differing = [
        (attempt.policy, attempt.user, attempt.manifest, ours, said)
        for attempt, ours, said in zip(attempts, expected, theirs, strict=True)
        if not said.is_one_of(ours)
    ]
    assert differing == []


def _creations(namespaces: Mapping[str, str]) -> Iterator[Attempt]:
    for policy, namespace in namespaces.items():
        for plural, manifest in objects_of(policy, namespace):
            for user in USERS if policy == "who" else ("alice",):
                yield Attempt(policy, user, plural, manifest)


def _updates(stored: Json) -> Iterator[Attempt]:
    """Yield a change of a label alone, of a selector, and of a selector by which the policy does not look any more."""
    changed = {**stored["spec"], "selectors": [{"cel": {"expression": "device.driver == 'other.example.com'"}}]}
    for spec, labels in (
        (stored["spec"], {LABEL: "classes", "other": "label"}),
        (changed, {LABEL: "classes"}),
        (changed, {LABEL: "gone"}),
    ):
        manifest = {**stored, "spec": spec, "metadata": {**stored["metadata"], "labels": labels}}
        yield Attempt("classes", "alice", "deviceclasses", manifest, stored)


def _user(api: Api) -> Json:
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {}}
    said: Json = api.create("authentication.k8s.io/v1/selfsubjectreviews", asked)["status"]["userInfo"]
    return said


def _our_verdicts(
    cluster: ControlPlane, folder: Path, attempts: Sequence[Attempt], reviews: Sequence[bytes]
) -> list[Verdict]:
    """Return what our policies say of the reviews, beside the namespaces and parameters of the cluster."""
    stored = [
        {**one, "apiVersion": "v1", "kind": kind}
        for kind, plural in (("Namespace", "namespaces"), ("ConfigMap", "configmaps"))
        for one in cluster.api.list_all(f"v1/{plural}")
    ]
    (folder / "cluster.yaml").write_text(yaml.safe_dump_all(stored))
    with admission_over([folder]) as admission:
        return [
            asyncio.run(_our_verdict(admission, attempt, review)) if attempt.is_asked_about() else Verdict()
            for attempt, review in zip(attempts, reviews, strict=True)
        ]


async def _our_verdict(admission: Admission, attempt: Attempt, review: bytes) -> Verdict:
    handler = admission.handlers()[ENDPOINTS.get(attempt.plural, "/validate/claims")]
    decision = await handler(parse_review(review), Budget(time.monotonic() + 60))
    found = [one for one in decision.findings if one.rule == f"policy/{attempt.policy}"]
    return Verdict(
        tuple(one.message for one in found if one.severity is Severity.DENY),
        tuple(sorted(one.message for one in found if one.severity is Severity.WARN)),
    )


def _their_verdict(attempt: Attempt, api: Api) -> Verdict:
    try:
        return Verdict(warnings=attempt.send(api)[1])
    except ApiError as error:
        return Verdict(tuple(TOLD.findall(error.message)) or (error.message,))


def _speaks(attempt: Attempt, api: Api) -> bool:
    return _their_verdict(attempt, api).speaks


@contextmanager
def _applied(cluster: ControlPlane, manifests: str) -> Iterator[None]:
    """The manifests, which the API server takes without a warning and checks the types of without one."""
    said = cluster.kubectl("apply", "-f", "-", manifests=manifests)
    try:
        assert said.stderr == ""
        names = [one["metadata"]["name"] for one in yaml.safe_load_all(manifests) if one["kind"] == POLICY]
        for name in names:
            checked = wait_for(f"checked types of {name}", partial(_checked, cluster.api, name))
            assert checked["typeChecking"] == {}, name
        yield
    finally:
        cluster.kubectl("delete", "-f", "-", "--wait=false", manifests=manifests)


def _checked(api: Api, name: str) -> Json | None:
    found = api.get(f"{GROUP}/validatingadmissionpolicies", name)
    status: Json = found.get("status", {})
    return status if status.get("observedGeneration") == found["metadata"]["generation"] else None


def _wait_until_effective(apis: Mapping[str, Api], attempts: Sequence[Attempt], expected: Sequence[Verdict]) -> None:
    """Wait until each policy is seen to speak."""
    first = {one.policy: one for one, said in zip(reversed(attempts), reversed(expected), strict=True) if said.speaks}
    for name, attempt in first.items():
        wait_for(f"effect of {name}", partial(_speaks, attempt, apis[attempt.user]))

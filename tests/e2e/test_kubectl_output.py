"""What kubectl shows its user of denials and warnings, word for word (`--update-golden` writes it anew)."""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.controlplane.api import Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import ControllerProcess, ServeProcess
from tests.controlplane.gate import Gate, create_quota, denied_by, standing
from tests.controlplane.objects import (
    CLAIMS,
    CLASSES,
    GPU_DRIVER,
    LEGACY_MAPPINGS,
    SLICES,
    make_claim_object,
    make_device_class,
    make_device_quota,
    make_exact_request,
    make_gpu,
    make_legacy_mapping,
    make_pod,
    make_slice,
    make_template,
)
from tests.controlplane.waiting import wait_for

pytestmark = pytest.mark.e2e

GOLDEN = Path(__file__).parents[1] / "golden" / "kubectl"
NAMESPACE = "team-a"
VERSIONS = ("v1", "v1beta2", "v1beta1")
MISSPELT = f"device.attributes['{GPU_DRIVER}'].productname == 'NVIDIA H100 80GB HBM3'"
UNCOMPILABLE = f"device.attributes['{GPU_DRIVER}'].productName.startswith('NVIDIA')"
CASES: Mapping[str, Json] = {
    "cel-mistake": make_exact_request(1, GPU_DRIVER, UNCOMPILABLE),
    "misspelt-attribute": make_exact_request(1, GPU_DRIVER, MISSPELT),
    "two-mistakes-in-one-round": make_exact_request(1, GPU_DRIVER, MISSPELT, UNCOMPILABLE),
    "quota": make_exact_request(2),
}


WARNED: Mapping[str, Json] = {
    "quota-nearly-used-up": make_claim_object(NAMESPACE, "training", make_exact_request()),
    "legacy-pod-left-alone": make_pod(NAMESPACE, "legacy", nvidia_com__gpu="1"),
}
WARNED["legacy-pod-left-alone"]["spec"]["nodeName"] = "golden"


@pytest.fixture(scope="module")
def user(gate: Gate, controller: ControllerProcess, replica: ServeProcess) -> Iterator[str]:  # noqa: ARG001 - it only has to run
    """An ordinary user of a guarded namespace in which one of two devices is taken."""
    cluster, api = gate.cluster, gate.cluster.api
    mapping = make_legacy_mapping("golden", NAMESPACE, {"name": "nvidia.com/gpu", "deviceClassName": GPU_DRIVER})
    limit = {"name": "whole-gpus", "match": {"deviceClassName": GPU_DRIVER}, "devices": 2}
    quota = make_device_quota(NAMESPACE, "gpus", limit)
    quota["spec"]["warnAt"] = 80
    with (
        cluster.named_namespace(NAMESPACE),
        api.temporarily(CLASSES, make_device_class()),
        api.temporarily(SLICES, make_slice("golden", [make_gpu(0), make_gpu(1)])),
        api.temporarily(LEGACY_MAPPINGS, mapping),
        gate.guarding(NAMESPACE, replica.port),
    ):
        cluster.grant("alice", NAMESPACE)
        create_quota(api, quota)
        api.create(CLAIMS, make_claim_object(NAMESPACE, "held", make_exact_request()))
        wait_for("folded charge", lambda: standing(api, NAMESPACE, "whole-gpus") == ("1", "0"))
        wait_for("known devices", lambda: denied_by(api, _claim(CASES["misspelt-attribute"])))
        wait_for("known quota", lambda: denied_by(api, _claim(CASES["quota"])))
        yield "alice"


def _claim(request: Json) -> Json:
    return make_claim_object(NAMESPACE, "training", request)


def _in_version(manifest: Json, version: str) -> Json:
    """Return a v1 claim or template as somebody wrote it who writes another version."""
    written = copy.deepcopy(manifest) | {"apiVersion": f"resource.k8s.io/{version}"}
    spec = written["spec"].get("spec", written["spec"])
    if version == "v1beta1":
        spec["devices"]["requests"] = [
            {"name": request["name"], **request["exactly"]} for request in spec["devices"]["requests"]
        ]
    return written


def _said(cluster: ControlPlane, user: str, manifest: Json) -> str:
    """Return what kubectl says of a claim that is refused."""
    done = cluster.kubectl("create", "-f", "-", manifests=json.dumps(manifest), user=user, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES)
def test_fm_41_kubectl_shows_a_denial(
    cluster: ControlPlane, user: str, case: str, version: str, request: pytest.FixtureRequest
) -> None:
    said = _said(cluster, user, _in_version(_claim(CASES[case]), version))
    _compare(said, f"{case}.{version}.txt", request)


@pytest.mark.parametrize("case", WARNED)
def test_kubectl_shows_a_warning(cluster: ControlPlane, user: str, case: str, request: pytest.FixtureRequest) -> None:
    manifest = json.dumps(WARNED[case])
    done = cluster.kubectl("create", "--dry-run=server", "-f", "-", manifests=manifest, user=user)
    _compare(done.stderr + done.stdout, f"{case}.txt", request)


def _compare(said: str, name: str, request: pytest.FixtureRequest) -> None:
    said = re.sub(r"(held by '.*?' \S+) for \d+[smhd]", r"\1 for 1m", said)
    golden = GOLDEN / name
    if request.config.getoption("--update-golden"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(said)
    assert said == golden.read_text()


def test_t_28_the_audit_log_keeps_the_findings(cluster: ControlPlane, user: str) -> None:
    _said(cluster, user, _claim(CASES["two-mistakes-in-one-round"]))
    told = json.loads(cluster.audit_annotations("resourceclaims", NAMESPACE)["claims.mutate.drawbridge.dev/findings"])
    assert [finding["rule"] for finding in told["findings"]] == ["selector-unknown-attribute", "cel-type"]


@pytest.mark.parametrize("case", CASES)
def test_the_words_are_the_same_in_every_version_but_for_the_path(case: str) -> None:
    """A path in v1beta1 lacks `exactly`; the API server adds a warning of its own where a version is deprecated."""

    def words(version: str) -> str:
        text = (GOLDEN / f"{case}.{version}.txt").read_text()
        return re.sub(r"^Warning: resource\.k8s\.io/.* is deprecated.*\n", "", text, flags=re.MULTILINE)

    assert words("v1beta2") == words("v1")
    assert "exactly" not in words("v1beta1")
    assert words("v1beta1") == words("v1").replace("].exactly", "]")


def test_a_template_is_refused_in_the_words_of_its_claim_one_step_deeper(cluster: ControlPlane, user: str) -> None:
    template = make_template(NAMESPACE, "training", CASES["misspelt-attribute"])
    claim = (GOLDEN / "misspelt-attribute.v1.txt").read_text()
    wanted = claim.replace("spec.devices", "spec.spec.devices").replace("ResourceClaim ", "ResourceClaimTemplate ")
    assert _said(cluster, user, template) == wanted

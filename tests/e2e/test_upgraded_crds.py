"""Our CRDs over an older version of themselves, and back: what is stored stays, and new fields are there at once."""

import copy
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.controlplane.api import Json
from tests.controlplane.build import helm
from tests.controlplane.chart import objects
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.waiting import wait_for
from tests.support.deployment import crds

pytestmark = pytest.mark.e2e
DEFINITIONS = "apiextensions.k8s.io/v1/customresourcedefinitions"
GROUP = "upgrade.example.com"
LIMITS = [{"name": "all", "devices": 8}]
STATUS = {
    "observedGeneration": 1,
    "observedResourceVersion": "8123",
    "limits": [{"name": "all", "hard": "8", "used": "3", "reserved": "1"}],
    "reservations": [{"uid": "0b4cd2c8", "name": "train", "amounts": {"all": "1"}, "expires": "2026-11-21T10:00:00Z"}],
}


@dataclass(frozen=True)
class Versions:
    """The CRD of quotas, in a group of the test's own, without a field that is to come, and with it."""

    older: Json
    newer: Json


@pytest.fixture
def versions(cluster: ControlPlane) -> Iterator[Versions]:
    newer = next(crd for crd in crds() if crd["spec"]["names"]["kind"] == "DeviceQuota")
    newer["metadata"]["name"] = f"devicequotas.{GROUP}"
    newer["spec"]["group"] = GROUP
    older = copy.deepcopy(newer)
    [version] = older["spec"]["versions"]
    del version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["warnAt"]
    yield Versions(older, newer)
    cluster.api.delete(DEFINITIONS, newer["metadata"]["name"])


def applied(cluster: ControlPlane, crd: Json) -> None:
    done = cluster.kubectl("apply", "--server-side", "-f", "-", manifests=[crd])
    assert "Warning" not in done.stderr
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", f"crd/{crd['metadata']['name']}")


def test_fm_51_a_newer_crd_keeps_what_is_stored_and_takes_new_fields(
    cluster: ControlPlane, namespace: str, versions: Versions
) -> None:
    api, quotas = cluster.api, f"{GROUP}/v1alpha1/devicequotas"
    metadata = {"namespace": namespace, "name": "gpus"}
    quota: Json = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "DeviceQuota", "metadata": metadata}
    soft = {**quota, "metadata": {**metadata, "name": "soft"}, "spec": {"limits": LIMITS, "warnAt": 80}}

    def spec_of_soft() -> Json:
        spec: Json = api.create(quotas, soft, dry_run=True)["spec"]
        return spec

    applied(cluster, versions.older)
    uid = api.create(quotas, {**quota, "spec": {"limits": LIMITS}})["metadata"]["uid"]
    api.patch(quotas, "gpus", {"status": STATUS}, namespace, "status")
    assert "warnAt" not in spec_of_soft()

    applied(cluster, versions.newer)
    wait_for("the new field", lambda: spec_of_soft().get("warnAt") == 80)
    kept = api.get(quotas, "gpus", namespace)
    assert (kept["metadata"]["uid"], kept["spec"]["limits"], kept["status"]) == (uid, LIMITS, STATUS)
    assert api.patch(quotas, "gpus", {"spec": {"warnAt": 80}}, namespace)["spec"]["warnAt"] == 80

    applied(cluster, versions.older)
    wait_for("the older schema", lambda: "warnAt" not in spec_of_soft())
    kept = api.get(quotas, "gpus", namespace)
    assert (kept["metadata"]["uid"], kept["spec"]["limits"], kept["status"]) == (uid, LIMITS, STATUS)


def test_fm_51_the_chart_upgrades_crds_and_leaves_them_when_it_goes(tmp_path: Path) -> None:
    """Helm never touches what is in a chart's folder of CRDs again, and deletes what its templates made."""
    if not helm().is_done():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("Helm is not built: run `make controlplane`")
    made = {each["metadata"]["name"]: each for each in objects(tmp_path) if each["kind"] == "CustomResourceDefinition"}
    assert made.keys() == {crd["metadata"]["name"] for crd in crds()}
    assert {each["metadata"]["annotations"]["helm.sh/resource-policy"] for each in made.values()} == {"keep"}

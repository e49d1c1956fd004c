"""What docs/explanation/crd-versions.md says of older, newer and further versions of the CRDs.

The CRDs are copies of those in deploy/ under a group of their own, so that no other test meets them.
"""

import copy
from collections.abc import Iterator

import pytest

from tests.controlplane.api import ApiError, Json, path_of
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.waiting import wait_for
from tests.support.deployment import Manifest, crds
from tests.support.whole_objects import PLURALS, WHOLE, make_whole

pytestmark = pytest.mark.e2e

GROUP = "versions.example.com"
CRDS = "apiextensions.k8s.io/v1/customresourcedefinitions"
NOW, NEXT = "v1alpha1", "v1beta1"
NUMBER = "number"
# Of each kind an optional field that an older CRD would not know.
NEWEST = {
    "ClaimPolicy": "percent",
    "ClusterDeviceQuota": "warnAt",
    "DeviceInventory": "devices[].taints",
    "DeviceQuota": "warnAt",
    "LegacyMapping": "withoutCounterpart",
}
DEFAULTS: dict[str, Json] = {"ClaimPolicy": {"percent": 100}}


def _copied(kind: str) -> Manifest:
    """Return the CRD of a kind in the group of this file."""
    [crd] = [each for each in crds() if each["spec"]["names"]["kind"] == kind]
    crd["metadata"] = {"name": f"{crd['spec']['names']['plural']}.{GROUP}"}
    crd["spec"]["group"] = GROUP
    for name in ("shortNames", "categories"):
        crd["spec"]["names"].pop(name, None)
    return crd


def _older(crd: Manifest, field: str) -> Manifest:
    """Return the CRD as it was before the field of the spec."""
    older = copy.deepcopy(crd)
    node = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    *above, last = field.split(".")
    for name in above:
        node = node["properties"][name.removesuffix("[]")]
        node = node["items"] if name.endswith("[]") else node
    del node["properties"][last]
    return older


class Versions:
    """One kind, whose CRD is applied again and again."""

    def __init__(self, cluster: ControlPlane, kind: str) -> None:
        self.kind = kind
        self.crd = _copied(kind)
        self._api = cluster.api
        self._number = 0
        self._version = NOW

    def apply(self, crd: Manifest) -> None:
        """Apply a CRD, and wait until the API server goes by it: a new object gets its number by default."""
        self._number += 1
        numbered = copy.deepcopy(crd)
        for version in numbered["spec"]["versions"]:
            spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
            spec.setdefault("properties", {})[NUMBER] = {"type": "integer", "default": self._number}
        self._version = crd["spec"]["versions"][-1]["name"]
        query = {"fieldManager": "test", "force": "true"}
        path = path_of(CRDS, name=crd["metadata"]["name"])
        self._api.send("PATCH", path, numbered, query=query, content_type="application/apply-patch+yaml")
        wait_for("effect of the CRD", self._is_served)

    def _is_served(self) -> bool:
        try:
            made = self.create("probe", dry_run=True)
        except ApiError as error:
            if error.code != 404:
                raise
            return False
        return bool(made["spec"][NUMBER] == self._number)

    def create(self, name: str, *, dry_run: bool = False) -> Json:
        """Create an object with every field."""
        manifest = make_whole(self.kind, WHOLE[self.kind])
        manifest["metadata"]["name"] = name
        manifest["apiVersion"] = f"{GROUP}/{self._version}"
        return self._api.create(self.resource(self._version), manifest, dry_run=dry_run)

    def stored(self) -> list[str]:
        found: list[str] = self._api.get(CRDS, self.crd["metadata"]["name"])["status"]["storedVersions"]
        return found

    def forget(self, *versions: str) -> None:
        """Say which versions are stored from now on."""
        self._api.patch(
            CRDS, self.crd["metadata"]["name"], {"status": {"storedVersions": list(versions)}}, subresource="status"
        )

    def resource(self, version: str = NOW) -> str:
        return f"{GROUP}/{version}/{PLURALS[self.kind]}"

    def spec(self, name: str, version: str = NOW) -> Json:
        """Return the spec of an object as it is shown."""
        shown: Json = self._api.get(self.resource(version), name, self._namespace())["spec"]
        del shown[NUMBER]
        return shown

    def label(self, name: str) -> None:
        """Change the object without a word about its spec."""
        self._api.patch(self.resource(), name, {"metadata": {"labels": {"touched": "yes"}}}, self._namespace())

    def write_again(self, name: str, version: str) -> None:
        """Replace the object by what is read, as a migration of stored versions does."""
        path = path_of(self.resource(version), self._namespace(), name)
        self._api.send("PUT", path, self._api.get(self.resource(version), name, self._namespace()))

    def end(self) -> None:
        self._api.delete(CRDS, self.crd["metadata"]["name"])

    def _namespace(self) -> str | None:
        return "default" if self.crd["spec"]["scope"] == "Namespaced" else None


@pytest.fixture
def versions(cluster: ControlPlane, request: pytest.FixtureRequest) -> Iterator[Versions]:
    made = Versions(cluster, request.param)
    made.apply(made.crd)
    yield made
    made.end()


@pytest.mark.parametrize("versions", NEWEST, indirect=True)
def test_objects_outlive_an_older_crd_and_come_back_whole_if_nobody_wrote_them(versions: Versions) -> None:
    spec = WHOLE[versions.kind]
    for name in ("untouched", "touched"):
        versions.create(name)
    versions.apply(_older(versions.crd, NEWEST[versions.kind]))
    short = versions.spec("untouched")
    assert short != spec
    versions.label("touched")
    assert versions.spec("touched") == short
    versions.apply(versions.crd)
    assert versions.spec("untouched") == spec
    assert versions.spec("touched") == {**short, **DEFAULTS.get(versions.kind, {})} != spec
    versions.label("touched")


@pytest.mark.parametrize("versions", ["DeviceQuota"], indirect=True)
def test_a_further_version_takes_the_place_of_the_first_step_by_step(versions: Versions) -> None:
    """The plan of the page, and back from where it can be gone back."""
    spec = WHOLE[versions.kind]
    versions.create("kept")
    assert versions.stored() == [NOW]
    first = versions.crd["spec"]["versions"][0]

    def apply(**storage: bool) -> None:
        crd = copy.deepcopy(versions.crd)
        crd["spec"]["versions"] = [{**first, "name": name, "storage": stored} for name, stored in storage.items()]
        versions.apply(crd)

    apply(v1alpha1=True, v1beta1=False)
    assert versions.spec("kept", NEXT) == spec
    apply(v1alpha1=False, v1beta1=True)
    assert versions.stored() == [NOW, NEXT]
    apply(v1alpha1=True, v1beta1=False)
    versions.write_again("kept", NOW)
    apply(v1alpha1=False, v1beta1=True)
    with pytest.raises(ApiError, match=r"v1alpha1 was previously a storage version"):
        apply(v1beta1=True)
    versions.write_again("kept", NEXT)
    versions.forget(NEXT)
    apply(v1beta1=True)
    assert versions.spec("kept", NEXT) == spec

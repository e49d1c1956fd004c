"""The commands of README.md that install Drawbridge do so, on a control plane of their own, and so does the script for
certificates of one's own.
"""

import base64
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.controlplane.api import Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import ControllerProcess
from tests.controlplane.shell import commands_of, run_shown
from tests.controlplane.waiting import wait_for
from tests.support.golang import REPOSITORY

pytestmark = pytest.mark.e2e

NAMESPACE = "drawbridge-system"
CONFIGURATIONS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
COMPONENTS = REPOSITORY / "deploy" / "kustomize" / "components"


@pytest.fixture(scope="module")
def own(cluster: ControlPlane) -> Iterator[ControlPlane]:  # noqa: ARG001 - skips where there is no control plane
    with ControlPlane() as control_plane_:
        yield control_plane_


def _bundles(cluster: ControlPlane) -> list[bytes]:
    """Return the `caBundle` of each webhook of both configurations."""
    resources = [f"admissionregistration.k8s.io/v1/{plural}" for plural in CONFIGURATIONS]
    found = [webhook for each in resources for webhook in cluster.api.get(each, "drawbridge")["webhooks"]]
    return [base64.b64decode(webhook["clientConfig"].get("caBundle", "")) for webhook in found]


def _secret(cluster: ControlPlane, name: str = "drawbridge-tls") -> Json:
    data: Json = cluster.api.get("v1/secrets", name, NAMESPACE).get("data", {})
    return {key: base64.b64decode(value) for key, value in data.items()}


def _rendered(cluster: ControlPlane, component: str, folder: Path) -> list[Json]:
    """Return what a user's kustomization of the base and the component makes."""
    parts = {"resources": [COMPONENTS.parent / "base"], "components": [COMPONENTS / component]}
    paths = {key: [os.path.relpath(path, folder) for path in value] for key, value in parts.items()}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(paths))
    return list(yaml.safe_load_all(run_shown(cluster, f"kubectl kustomize {folder}")))


def test_the_commands_of_the_readme_install_it_and_can_be_run_again(own: ControlPlane) -> None:
    commands = commands_of("README.md", "Install")
    assert len(commands) == 2
    for command in commands:
        run_shown(own, command)
    assert _secret(own) == _secret(own, "drawbridge-ca") == {}
    kubeconfig = own.service_account_kubeconfig(NAMESPACE, "drawbridge-certs")
    certs = ControllerProcess(own.programs, kubeconfig, ["--certificates"], "certs")
    try:
        wait_for("certificates", lambda: "tls.crt" in _secret(own))
        first = _secret(own)
        assert first.keys() == {"tls.crt", "tls.key", "ca.crt"}, "the key of the CA is not for who serves"
        assert _secret(own, "drawbridge-ca")["ca.crt"] == first["ca.crt"]
        assert len(_bundles(own)) == 8
        assert set(_bundles(own)) == {first["ca.crt"]}
        ssl.create_default_context(cadata=first["ca.crt"].decode())
        for command in commands:
            run_shown(own, command)
        assert _secret(own) == first
        assert set(_bundles(own)) == {first["ca.crt"]}
    finally:
        assert certs.stop() == 0


def test_certificates_of_ones_own_take_their_place(own: ControlPlane) -> None:
    for command in commands_of("README.md", "Install"):
        run_shown(own, command)
    command = f"deploy/certificates.sh {own.folder}/certificates"
    run_shown(own, command)
    first = _secret(own)
    assert first.keys() == {"tls.crt", "tls.key", "ca.crt"}, "the key of the CA never enters the cluster"
    assert set(_bundles(own)) == {first["ca.crt"]}
    run_shown(own, command)
    second = _secret(own)
    assert second["ca.crt"] == first["ca.crt"]
    assert second["tls.crt"] != first["tls.crt"]
    assert set(_bundles(own)) == {first["ca.crt"]}


@pytest.mark.parametrize("component", ["provided-certificates", "cert-manager"])
def test_with_a_component_nothing_of_ours_writes_certificates(
    own: ControlPlane, component: str, tmp_path: Path
) -> None:
    rendered = _rendered(own, component, tmp_path)
    assert not [each for each in rendered if each["metadata"]["name"] == "drawbridge-certs"]
    assert not [each for each in rendered if each["kind"] == "Secret"]
    injected = {
        each["metadata"].get("annotations", {}).get("cert-manager.io/inject-ca-from")
        for each in rendered
        if each["kind"].endswith("WebhookConfiguration")
    }
    issued = {each["metadata"]["name"]: each["spec"] for each in rendered if each["kind"] == "Certificate"}
    if component == "cert-manager":
        assert injected == {f"{NAMESPACE}/drawbridge-ca"}
        assert issued["drawbridge-ca"]["isCA"]
        assert issued["drawbridge"]["secretName"] == "drawbridge-tls"
    else:
        assert (injected, issued) == ({None}, {})

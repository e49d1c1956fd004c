"""The commands of README.md that install Drawbridge do so, on a control plane of their own."""

import base64
import os
import re
import ssl
import subprocess

import pytest

from tests.controlplane.api import Json
from tests.controlplane.build import control_plane
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import DRAWBRIDGE
from tests.support.golang import REPOSITORY

pytestmark = pytest.mark.e2e

CONFIGURATIONS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")


def _commands() -> list[str]:
    """Return the lines of the code block under "Install"."""
    text = (REPOSITORY / "README.md").read_text()
    found = re.search(r"^## Install\n.*?^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found
    return found[1].splitlines()


def _run(cluster: ControlPlane, command: str) -> None:
    environment = {
        **os.environ,
        "PATH": f"{control_plane().program('kubectl').parent}:{os.environ['PATH']}",
        "KUBECONFIG": str(cluster.kubeconfig()),
        "DRAWBRIDGE": str(DRAWBRIDGE),
        "HOME": str(cluster.folder),
    }
    folder = f" {cluster.folder}/certificates" if command.endswith("certificates.sh") else ""
    done = subprocess.run(
        f"{command}{folder}", shell=True, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def _bundles(cluster: ControlPlane) -> list[bytes]:
    """Return the `caBundle` of each webhook of both configurations."""
    resources = [f"admissionregistration.k8s.io/v1/{plural}" for plural in CONFIGURATIONS]
    found = [webhook for each in resources for webhook in cluster.api.get(each, "drawbridge")["webhooks"]]
    return [base64.b64decode(webhook["clientConfig"].get("caBundle", "")) for webhook in found]


def _secret(cluster: ControlPlane) -> Json:
    data: Json = cluster.api.get("v1/secrets", "drawbridge-tls", "drawbridge-system")["data"]
    return {name: base64.b64decode(value) for name, value in data.items()}


@pytest.mark.usefixtures("cluster")  # skips where there is no control plane
def test_the_three_commands_of_the_readme_install_it_and_can_be_run_again() -> None:
    commands = _commands()
    assert len(commands) == 3
    with ControlPlane() as own:
        for command in commands:
            _run(own, command)
        first = _secret(own)
        assert first.keys() == {"tls.crt", "tls.key", "ca.crt"}, "the key of the CA never enters the cluster"
        assert set(_bundles(own)) == {first["ca.crt"]}
        assert len(_bundles(own)) == 8
        ssl.create_default_context(cadata=first["ca.crt"].decode())

        for command in commands:
            _run(own, command)
        second = _secret(own)
        assert second["ca.crt"] == first["ca.crt"]
        assert second["tls.crt"] != first["tls.crt"]
        assert set(_bundles(own)) == {first["ca.crt"]}

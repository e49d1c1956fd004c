"""Certificates are renewed, and a CA replaced, under load: through the Service, by a client that shows a certificate.

The control plane is one of its own: its API server presents a client certificate (AdmissionConfiguration), and finds
three replicas behind the Service of deploy/ by EndpointSlices. `ROTATION_CALLS=30000` makes the load a long one.
"""

import base64
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.controlplane.api import Api, ApiError, Json, path_of
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import DRAWBRIDGE, ControllerProcess, ServeProcess
from tests.controlplane.installation import NAMESPACE, Installation, install
from tests.controlplane.load import CALLS_A_CREATE, Load, ask
from tests.controlplane.objects import CLAIMS, make_claim_object, make_exact_request
from tests.controlplane.service import own_address, publish
from tests.controlplane.waiting import wait_for
from tests.controlplane.webhooks import RESOURCES
from tests.support.golang import REPOSITORY

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

CALLS = int(os.environ.get("ROTATION_CALLS") or 1000)
WORKERS = 6
REPLICAS = 3
CALLER = "kube-apiserver"
HOST = f"drawbridge.{NAMESPACE}.svc"
SECRETS = "v1/secrets"


def admission_configuration(folder: Path, ca: trustme.CA) -> Path:
    """Write the API server's AdmissionConfiguration: to webhooks it presents a certificate of the CA."""
    pair = ca.issue_cert(f"{CALLER}.example.com", common_name=CALLER)
    pair.private_key_and_cert_chain_pem.write_to_path(str(folder / "caller.pem"))
    user = {"client-certificate": str(folder / "caller.pem"), "client-key": str(folder / "caller.pem")}
    kubeconfig = {"apiVersion": "v1", "kind": "Config", "users": [{"name": "*", "user": user}]}
    (folder / "webhooks.kubeconfig").write_text(json.dumps(kubeconfig))
    plugin = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "WebhookAdmissionConfiguration",
        "kubeConfigFile": str(folder / "webhooks.kubeconfig"),
    }
    names = ("MutatingAdmissionWebhook", "ValidatingAdmissionWebhook")
    configuration = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [{"name": name, "configuration": plugin} for name in names],
    }
    (folder / "admission.json").write_text(json.dumps(configuration))
    return folder / "admission.json"


class Rig:
    """An installation of deploy/ with three replicas, on a control plane of its own."""

    def __init__(self, cluster: ControlPlane, installation: Installation, clients: Path, address: str) -> None:
        self.cluster = cluster
        self.api = cluster.api
        self.clients = clients
        self.address = address
        options = ["--host", "0.0.0.0", "--kubeconfig", str(installation.serve_kubeconfig), "--drain-seconds", "0"]
        options += ["--cert-secret", "drawbridge-tls"]
        options += ["--client-ca", str(clients / "clients.crt"), "--client-subject", CALLER]
        self.certs = ControllerProcess(
            cluster.programs,
            cluster.service_account_kubeconfig(NAMESPACE, "drawbridge-certs"),
            ["--certificates", "--settle-seconds", "2", "--look-seconds", "0.5"],
            "certs",
        )
        self.replicas = [ServeProcess(cluster.programs, options, f"serve-{index}") for index in range(REPLICAS)]
        for index, replica in enumerate(self.replicas):
            publish(cluster.api, NAMESPACE, f"drawbridge-{index}", address, replica.port)
            wait_for("readiness", replica.is_ready)
        for manifest in installation.webhooks:
            closed = [{**webhook, "failurePolicy": "Fail"} for webhook in manifest["webhooks"]]
            self.api.create(RESOURCES[manifest["kind"]], {**manifest, "webhooks": closed})
        wait_for("a bundle that verifies", lambda: self.command("verify").returncode == 0)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `drawbridge certs` as an administrator does."""
        command = [str(DRAWBRIDGE), "certs", *arguments, "--kubeconfig", str(self.cluster.kubeconfig())]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def refusals(self) -> list[str]:
        """Return what the programs say of rights that they lack, and of a Secret that could not be watched."""
        programs = [self.certs.program, *(replica.program for replica in self.replicas)]
        lines = [line for program in programs for line in program.output().splitlines()]
        return [line for line in lines if "forbidden" in line or '"msg":"serving-secret"' in line]

    def secret(self, name: str) -> dict[str, bytes]:
        data: Json = self.api.get(SECRETS, name, NAMESPACE).get("data", {})
        return {key: base64.b64decode(value) for key, value in data.items()}

    def bundles(self) -> set[bytes]:
        found = [webhook for kind in RESOURCES.values() for webhook in self.api.get(kind, "drawbridge")["webhooks"]]
        return {base64.b64decode(webhook["clientConfig"].get("caBundle", "")) for webhook in found}

    def served(self) -> set[str]:
        """Return the fingerprints of what the replicas present."""
        return {self.fingerprint(replica.port) for replica in self.replicas}

    def fingerprint(self, port: int, context: ssl.SSLContext | None = None) -> str:
        if context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        with (
            socket.create_connection((self.address, port), 10) as plain,
            context.wrap_socket(plain, server_hostname=HOST) as connection,
        ):
            return sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()

    def follow(self, fingerprint_before: str) -> str:
        """Wait until all replicas present one certificate that is not that one, and return its fingerprint."""

        def found() -> str:
            served = self.served()
            return "" if len(served) > 1 or fingerprint_before in served else served.pop()

        return wait_for("the new certificate on every replica", found, 60)


class Clients:
    """Users who create claims in dry runs, and a strict client that opens new connections."""

    def __init__(self, rig: Rig, namespace: str) -> None:
        self.handshakes = 0
        self._rig = rig
        self._namespace = namespace
        jobs: list[Callable[[], None]] = [self._create] * WORKERS + [self._verify]
        self.load = Load(jobs)

    def _create(self) -> None:
        claim = make_claim_object(self._namespace, "training", make_exact_request())
        path = f"{path_of(CLAIMS, self._namespace)}?dryRun=All"
        with self._rig.cluster.connection() as (connection, headers):
            while not self.load.over.is_set():
                self.load.count(ask(connection, headers, "POST", path, claim))

    def _verify(self) -> None:
        """Trust what is published, and nothing else, at each new connection."""
        kind = RESOURCES["ValidatingWebhookConfiguration"]
        while not self.load.over.is_set():
            webhook = self._rig.api.get(kind, "drawbridge")["webhooks"][0]
            context = ssl.create_default_context(cadata=base64.b64decode(webhook["clientConfig"]["caBundle"]).decode())
            for replica in self._rig.replicas:
                try:
                    self._rig.fingerprint(replica.port, context)
                    self.handshakes += 1
                except OSError as error:
                    self.load.count(f"new connection: {error}")
            time.sleep(0.05)


@pytest.fixture(scope="module")
def rig(cluster: ControlPlane) -> Iterator[Rig]:  # noqa: ARG001 - it skips where there is no control plane
    address = own_address()
    with ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory()))
        ca = trustme.CA()
        ca.cert_pem.write_to_path(str(folder / "clients.crt"))
        configuration = admission_configuration(folder, ca)
        own = exits.enter_context(ControlPlane(apiserver_flags=[f"--admission-control-config-file={configuration}"]))
        yield Rig(own, install(own), folder, address)


def test_fm_14_no_call_fails_while_certificates_are_renewed_and_the_ca_is_replaced(rig: Rig) -> None:
    namespace = rig.cluster.create_namespace()
    claim = make_claim_object(namespace, "training", make_exact_request())
    wait_for("a create through the Service", lambda: _created(rig.api, claim))
    [ca_before] = rig.bundles()
    clients = Clients(rig, namespace)
    load = clients.load
    rotations: list[tuple[str, ...]] = [("rotate",), ("rotate",), ("rotate", "--ca"), ("rotate",)]
    seen = rig.served()
    with load.running():
        for number, arguments in enumerate(rotations, 1):
            [before] = rig.served()
            assert rig.command(*arguments).returncode == 0
            seen.add(rig.follow(before))
            if "--ca" in arguments:
                wait_for("the old CA's end", lambda: all(ca_before not in each for each in rig.bundles()), 60)
            load.reach(CALLS * number / len(rotations) / CALLS_A_CREATE)
    assert not load.failures
    assert load.done * CALLS_A_CREATE >= CALLS
    assert len(seen) == len(rotations) + 1
    assert rig.refusals() == []
    assert rig.command("verify").returncode == 0
    print(f"{load.done * CALLS_A_CREATE} admission calls, {clients.handshakes} new connections, 0 failed")


def _created(api: Api, claim: Json) -> bool:
    try:
        return bool(api.create(CLAIMS, claim, dry_run=True))
    except ApiError:
        return False


def test_only_the_api_server_may_ask(rig: Rig) -> None:
    """It presents the certificate of its AdmissionConfiguration, and nobody else has one."""

    def ask(context: ssl.SSLContext) -> int:
        connection = http.client.HTTPSConnection("127.0.0.1", rig.replicas[0].port, context=context, timeout=10)
        try:
            connection.request("POST", "/validate/claims", b"{}", {"Content-Type": "application/json"})
            return connection.getresponse().status
        finally:
            connection.close()

    trusting = ssl.create_default_context(cadata=rig.secret("drawbridge-tls")["ca.crt"].decode())
    with pytest.raises(OSError, match=r"(?i)certificate|alert|reset|eof|closed"):
        ask(trusting)
    trusting.load_cert_chain(rig.clients / "caller.pem")
    assert ask(trusting) == 400


def test_a_compromised_ca_is_gone_at_once(rig: Rig) -> None:
    [before] = rig.bundles()
    served = rig.served().pop()
    assert rig.command("rotate", "--ca", "--now").returncode == 0
    rig.follow(served)
    wait_for("a bundle that verifies", lambda: rig.command("verify").returncode == 0)
    assert all(before not in each for each in rig.bundles())
    assert len(rig.bundles()) == 1


def test_fm_17_a_bundle_that_somebody_broke_is_told_and_mended(rig: Rig) -> None:
    kind = RESOURCES["MutatingWebhookConfiguration"]
    webhooks = rig.api.get(kind, "drawbridge")["webhooks"]
    del webhooks[0]["clientConfig"]["caBundle"]
    rig.api.patch(kind, "drawbridge", {"webhooks": webhooks})
    wait_for("a bundle that verifies", lambda: rig.command("verify").returncode == 0)
    assert len(rig.bundles()) == 1


def test_the_commands_of_the_page_run(rig: Rig) -> None:
    page = (REPOSITORY / "docs" / "how-to" / "rotate-certificates.md").read_text()
    commands = re.findall(r"^drawbridge .+$", page, re.MULTILINE)
    assert len(commands) == 5
    environment = {"PATH": f"{DRAWBRIDGE.parent}:{os.environ['PATH']}", "KUBECONFIG": str(rig.cluster.kubeconfig())}
    for command in commands:
        done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), command
    wait_for("one CA", lambda: len(rig.bundles()) == 1 and rig.bundles().pop().count(b"BEGIN") == 1, 60)
    wait_for("a bundle that verifies", lambda: rig.command("verify").returncode == 0)


def test_show_says_what_is_there_and_who_trusts_it(rig: Rig) -> None:
    lines = rig.command("show").stdout.splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "CERTIFICATE",
        "CA that signs",
        "serving certificate",
        f"serving certificate, names: {HOST}, {HOST}.cluster.local, localhost, 127.0.0.1, ::1",
        "",
        "CONFIGURATION",
        "mutatingwebhookconfigurations/drawbridge",
        "validatingwebhookconfigurations/drawbridge",
    ]
    assert [line.rsplit("  ", 1)[1].strip() for line in lines[-2:]] == ["CA that signs"] * 2


def test_t_21_the_key_of_the_ca_is_for_who_rotates_alone(rig: Rig) -> None:
    serving = rig.cluster.service_account_kubeconfig(NAMESPACE, "drawbridge")
    command = [str(DRAWBRIDGE), "certs", "show", "--kubeconfig", str(serving)]
    done: Any = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "forbidden" in done.stderr

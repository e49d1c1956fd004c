"""The control plane itself, without Drawbridge: what the other tests build upon."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from tests.controlplane.api import ApiError, Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.objects import (
    CLAIMS,
    PODS,
    TEMPLATES,
    make_claim_object,
    make_device_class,
    make_exact_request,
    make_gpu,
    make_node,
    make_pod,
    make_slice,
    make_template,
)
from tests.controlplane.waiting import wait_for
from tests.controlplane.webhooks import installed_webhooks, wait_until_effective

pytestmark = pytest.mark.e2e


def test_a_pod_with_a_template_reference_gets_its_devices_and_a_node(cluster: ControlPlane, namespace: str) -> None:
    api, node = cluster.api, f"node-{namespace}"
    slices = [make_slice(node, [make_gpu(0), make_gpu(1)])]
    with cluster.with_devices([make_node(node)], [make_device_class()], slices):
        api.create(TEMPLATES, make_template(namespace, "two-gpus", make_exact_request(2)))
        api.create(PODS, make_pod(namespace, "train", "two-gpus"))
        pod = cluster.wait_for_pod(namespace, "train")
        assert pod["spec"]["nodeName"] == node
        (claim,) = api.list_all(CLAIMS, namespace)
        devices = {result["device"] for result in claim["status"]["allocation"]["devices"]["results"]}
        assert devices == {"gpu-0", "gpu-1"}
        cluster.run_pod(namespace, "train")
        cluster.end_pod(namespace, "train")
        wait_for("end of the claim", lambda: not api.list_all(CLAIMS, namespace))


def test_an_ordinary_user_may_do_what_is_granted_and_nothing_else(cluster: ControlPlane, namespace: str) -> None:
    claim = make_claim_object(namespace, "one", make_exact_request())
    with pytest.raises(ApiError, match="cannot create resource") as refusal:
        cluster.api_as("alice").create(CLAIMS, claim)
    assert refusal.value.code == 403
    cluster.grant("alice", namespace)
    assert cluster.api_as("alice").create(CLAIMS, claim)["metadata"]["uid"]
    assert "one" in cluster.kubectl("get", "resourceclaims", "-n", namespace, user="alice").stdout


def test_the_api_server_comes_back_with_what_it_stored(cluster: ControlPlane, namespace: str) -> None:
    cluster.api.create(CLAIMS, make_claim_object(namespace, "one", make_exact_request()))
    cluster.kill_apiserver()
    with pytest.raises(ConnectionError):
        cluster.api.list_all(CLAIMS, namespace)
    cluster.start_apiserver()
    assert [claim["metadata"]["name"] for claim in cluster.api.list_all(CLAIMS, namespace)] == ["one"]


class _Refusing(BaseHTTPRequestHandler):
    """A webhook that refuses everything."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = {"code": 403, "reason": "Forbidden", "message": f"refused at {self.path.partition('?')[0]}"}
        review["response"] = {"uid": review["request"]["uid"], "allowed": False, "status": status}
        answer = json.dumps(review).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass


@contextmanager
def _refusing_server(authority: trustme.CA) -> Iterator[str]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def _configuration() -> Json:
    webhook = {
        "name": "refuse.drawbridge.dev",
        "clientConfig": {"service": {"namespace": "any", "name": "any", "path": "/refuse"}},
        "rules": [
            {
                "apiGroups": ["resource.k8s.io"],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["resourceclaims"],
            }
        ],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "refuse"},
        "webhooks": [webhook],
    }


def test_a_webhook_on_loopback_is_asked_for_its_namespace_as_long_as_it_is_installed(
    cluster: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    claim = make_claim_object(namespace, "one", make_exact_request())
    with (
        _refusing_server(authority) as url,
        installed_webhooks(cluster.api, [_configuration()], url, tmp_path / "ca.crt", namespace),
    ):
        wait_until_effective(cluster.api, CLAIMS, claim, lambda seen: "refused at /refuse" in str(seen))
        kubectl = cluster.kubectl("create", "-f", "-", manifests=[claim], check=False)
        assert kubectl.returncode == 1
        assert kubectl.stderr == (
            'Error from server (Forbidden): error when creating "STDIN": '
            'admission webhook "refuse.drawbridge.dev" denied the request: refused at /refuse\n'
        )
        elsewhere = make_claim_object("default", "one", make_exact_request())
        assert cluster.api.create(CLAIMS, elsewhere, dry_run=True)
    wait_until_effective(cluster.api, CLAIMS, claim, lambda seen: not isinstance(seen, ApiError))


def test_a_service_account_has_the_rights_that_are_bound_to_it(cluster: ControlPlane, namespace: str) -> None:
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"namespace": namespace, "name": "drawbridge"},
    }
    cluster.api.create("v1/serviceaccounts", account)
    kubeconfig = cluster.service_account_kubeconfig(namespace, "drawbridge")
    asked = cluster.kubectl(
        "auth", "whoami", "--kubeconfig", str(kubeconfig), "-o", "jsonpath={.status.userInfo.username}"
    )
    assert asked.stdout == f"system:serviceaccount:{namespace}:drawbridge"

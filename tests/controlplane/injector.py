"""Another mutating webhook, as those of service meshes are: it adds a container to every pod that has it not yet."""

import base64
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.controlplane.api import Api, Json
from tests.controlplane.webhooks import NAMESPACE_NAME, RESOURCES


@contextmanager
def injecting(api: Api, cert_dir: Path, namespace: str, name: str, container: Json) -> Iterator[None]:
    """Add the container to the pods of a namespace; webhooks are called in the order of their configurations' names."""

    class Injector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            request = review["request"]
            response: Json = {"uid": request["uid"], "allowed": True}
            present = [each["name"] for each in request["object"]["spec"]["containers"]]
            if container["name"] not in present:
                patch = [{"op": "add", "path": "/spec/containers/-", "value": container}]
                response |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
            body = json.dumps({**review, "request": None, "response": response}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the class that it overrides
            """Say nothing of each request."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Injector)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert_dir / "tls.crt", cert_dir / "tls.key")
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    authority = base64.b64encode((cert_dir / "ca.crt").read_bytes()).decode()
    configuration: Json = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "injector.example.com",
                "clientConfig": {"url": f"https://127.0.0.1:{server.server_port}/", "caBundle": authority},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
                "namespaceSelector": {"matchLabels": {NAMESPACE_NAME: namespace}},
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
            }
        ],
    }
    try:
        with api.temporarily(RESOURCES["MutatingWebhookConfiguration"], configuration):
            yield
    finally:
        server.shutdown()
        server.server_close()

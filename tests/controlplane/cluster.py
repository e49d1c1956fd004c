"""A real control plane on loopback: etcd, kube-apiserver, controller-manager and scheduler, and kubectl to ask it."""

import http.client
import json
import os
import secrets
import signal
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.controlplane.api import Api, ApiError, Json
from tests.controlplane.audit import Asked, asked_in, audit_policy
from tests.controlplane.build import control_plane
from tests.controlplane.objects import CLASSES, NODES, SLICES
from tests.controlplane.programs import ProgramEndedError, Programs
from tests.controlplane.waiting import wait_for

ADMINISTRATOR = "administrator"
LOOPBACK = "127.0.0.1"
ASKED_OF_ENDED: set[Asked] = set()
"""What the accounts of deploy/ asked of control planes that are no more."""


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


class ControlPlane:
    """`with ControlPlane() as cluster:` gives a cluster without nodes that serves every API version.

    `users` are ordinary users without rights (see `grant`); `administrator` is always there.
    """

    def __init__(
        self,
        users: Sequence[str] = ("alice", "bob"),
        feature_gates: Mapping[str, bool] | None = None,
        apiserver_flags: Sequence[str] = (),
    ) -> None:
        self._build = control_plane()
        self._gates = ",".join(f"{name}={str(on).lower()}" for name, on in (feature_gates or {}).items())
        self._apiserver_flags = tuple(apiserver_flags)
        self._tokens = {name: secrets.token_hex(16) for name in (ADMINISTRATOR, *users)}
        self._exits = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            self.folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="controlplane-")))
            exits.callback(self._keep_asked)
            self.programs = exits.enter_context(Programs(self.folder / "logs"))
            self._start()
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exits.close()

    # What tests ask of it

    @property
    def api(self) -> Api:
        """The API as the administrator sees it."""
        return self.api_as(ADMINISTRATOR)

    def api_as(self, user: str) -> Api:
        """The API as one of the users sees it."""
        return Api(f"{LOOPBACK}:{self._port}", self._tokens[user], self._tls)

    @contextmanager
    def connection(self) -> Iterator[tuple[http.client.HTTPSConnection, Mapping[str, str]]]:
        """A connection of the administrator's that stays open, for many calls, and the headers of each."""
        connection = http.client.HTTPSConnection(LOOPBACK, self._port, timeout=60, context=self._tls)
        headers = {"Authorization": f"Bearer {self._tokens[ADMINISTRATOR]}", "Content-Type": "application/json"}
        try:
            yield connection, headers
        finally:
            connection.close()

    def kubeconfig(self, user: str = ADMINISTRATOR) -> Path:
        """The kubeconfig file of a user."""
        path = self.folder / f"{user}.kubeconfig"
        if not path.exists():
            path.write_text(json.dumps(self._kubeconfig(self._tokens[user])))
        return path

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig with a token of a service account, which must exist: a program under its own RBAC rules."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        token = self.api.send("POST", path, {"spec": {"expirationSeconds": 86400}}).body["status"]["token"]
        file = self.folder / f"{namespace}-{name}.kubeconfig"
        file.write_text(json.dumps(self._kubeconfig(token)))
        return file

    def kubectl(
        self,
        *arguments: str,
        user: str = ADMINISTRATOR,
        manifests: str | Sequence[Json] | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl; `manifests`, text or objects, are its standard input. AssertionError if it fails."""
        if manifests is not None and not isinstance(manifests, str):
            manifests = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
        done = subprocess.run(
            [str(self._build.program("kubectl")), "--kubeconfig", str(self.kubeconfig(user)), *arguments],
            input=manifests or "",
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "HOME": str(self.folder)},
            timeout=120,
        )
        assert not check or done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done

    def audit_annotations(self, resource: str, namespace: str) -> dict[str, str]:
        """What admission noted in the audit log at the latest creation of such an object, "pods", in a namespace."""
        lines = [line for line in self._audit_log.read_text().splitlines() if '"verb":"create"' in line]
        entries = [json.loads(line) for line in lines]
        wanted = {"resource": resource, "namespace": namespace}
        found = [each for each in entries if wanted.items() <= each.get("objectRef", {}).items()]
        annotations: dict[str, str] = found[-1].get("annotations", {})
        return annotations

    def asked(self) -> frozenset[Asked]:
        """What the accounts of deploy/ have asked for up to now."""
        return asked_in(self._audit_log)

    def create_namespace(self, prefix: str = "test-", labels: Mapping[str, str] | None = None) -> str:
        """Create a namespace with a generated name."""
        manifest = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"generateName": prefix, "labels": labels or {}},
        }
        return str(self.api.create("v1/namespaces", manifest)["metadata"]["name"])

    @contextmanager
    def named_namespace(self, name: str, labels: Mapping[str, str] | None = None) -> Iterator[str]:
        """Have a namespace of this name for the length of a with block, and nothing of it afterwards."""
        metadata = {"name": name, "labels": dict(labels or {})}
        self.api.create("v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        try:
            yield name
        finally:
            self.delete_namespace(name)
            wait_for(f"end of namespace {name}", lambda: self._is_gone(name), seconds=120)

    def delete_namespace(self, name: str) -> None:
        """Delete a namespace; its pods end at once. Does not wait for the end."""
        self._end_pods(name)
        self.api.delete("v1/namespaces", name)

    def _is_gone(self, namespace: str) -> bool:
        """Return whether a deleted namespace has ended; a controller may have made pods while it was being deleted."""
        self._end_pods(namespace)
        return self.api.find("v1/namespaces", namespace) is None

    def _end_pods(self, namespace: str) -> None:
        for pod in self.api.list_all("v1/pods", namespace):
            self.end_pod(namespace, pod["metadata"]["name"])

    def grant(self, user: str, namespace: str, cluster_role: str = "admin") -> None:
        """Give a user the rights of a cluster role in one namespace."""
        group = "rbac.authorization.k8s.io"
        manifest = {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": f"{user}-{cluster_role}", "namespace": namespace},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": cluster_role},
            "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
        }
        self.api.create(f"{group}/v1/rolebindings", manifest)
        claims = "/apis/resource.k8s.io/v1/namespaces"
        wait_for(f"rights of {user}", lambda: _is_allowed(self.api_as(user), f"{claims}/{namespace}/resourceclaims"))

    def add_node(self, manifest: Json) -> Json:
        """Create a node as `make_node` gives it, ready for pods."""
        self.api.create("v1/nodes", manifest)
        name = manifest["metadata"]["name"]
        self.api.patch("v1/nodes", name, {"status": manifest["status"]}, subresource="status")
        return self.api.patch("v1/nodes", name, {"spec": {"taints": []}})

    @contextmanager
    def with_devices(self, nodes: Iterable[Json], classes: Iterable[Json], slices: Iterable[Json]) -> Iterator[None]:
        """Add nodes, their ResourceSlices, then DeviceClasses, for the length of a with block."""
        parts = [*((SLICES, made) for made in slices), *((CLASSES, made) for made in classes)]
        with ExitStack() as exits:
            for node in nodes:
                self.add_node(node)
                exits.callback(self.api.delete, NODES, node["metadata"]["name"])
            for resource, manifest in parts:
                exits.enter_context(self.api.temporarily(resource, manifest))
            yield

    def run_pod(self, namespace: str, name: str) -> None:
        """Play the kubelet: the bound pod runs."""
        running = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        self.api.patch("v1/pods", name, {"status": running}, namespace, "status")

    def end_pod(self, namespace: str, name: str) -> None:
        """Play the kubelet: the pod is gone, without a grace period that nobody would end."""
        self.api.delete("v1/pods", name, namespace, grace_seconds=0)

    def wait_for_pod(self, namespace: str, name: str, seconds: float = 30) -> Json:
        """The pod, once the scheduler has bound it to a node."""

        def bound() -> Json | None:
            pod = self.api.get("v1/pods", name, namespace)
            return pod if pod["spec"].get("nodeName") else None

        return wait_for(f"node for pod {name}", bound, seconds)

    # The programs

    def kill_apiserver(self) -> None:
        """End the API server as a crash would; `start_apiserver` brings it back on the same port."""
        self._apiserver.kill()

    def start_apiserver(self) -> None:
        """Start the API server and wait until it is ready."""
        command = self._command(
            "kube-apiserver",
            f"--etcd-servers=http://{LOOPBACK}:{self._etcd_port}",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={self._port}",
            f"--cert-dir={self.folder}",
            f"--token-auth-file={self.folder}/tokens.csv",
            f"--audit-policy-file={self.folder}/audit.json",
            f"--audit-log-path={self._audit_log}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={self.folder}/service-accounts.key",
            f"--service-account-key-file={self.folder}/service-accounts.key",
            "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--runtime-config=api/all=true",
            "--enable-aggregator-routing=true",
            *self._apiserver_flags,
        )
        # With SIGTERM it would wait a minute for its clients.
        self._apiserver = self.programs.start("kube-apiserver", command, stop_signal=signal.SIGKILL)
        wait_for("ready kube-apiserver", self._is_ready)

    def _start(self) -> None:
        self._write_credentials()
        self._port, self._etcd_port, etcd_peers = free_port(), free_port(), free_port()
        clients, peers = f"http://{LOOPBACK}:{self._etcd_port}", f"http://{LOOPBACK}:{etcd_peers}"
        etcd = [str(self._build.program("etcd")), "--data-dir", str(self.folder / "etcd"), "--unsafe-no-fsync"]
        etcd += ["--listen-client-urls", clients, "--advertise-client-urls", clients, "--listen-peer-urls", peers]
        etcd += ["--initial-advertise-peer-urls", peers, "--initial-cluster", f"default={peers}"]
        self.programs.start("etcd", etcd)
        self.start_apiserver()
        self._start_controllers()

    def _start_controllers(self) -> None:
        shared = [
            f"--kubeconfig={self.kubeconfig()}",
            "--leader-elect=false",
            f"--cert-dir={self.folder}",
            f"--bind-address={LOOPBACK}",
            "--kube-api-qps=1000",  # the defaults, 20 and 50 a second, would be all that a storm of pods measures
            "--kube-api-burst=2000",
        ]
        controllers = [
            *shared,
            f"--secure-port={free_port()}",
            f"--service-account-private-key-file={self.folder}/service-accounts.key",
            "--controllers=*,-node-lifecycle-controller,-node-ipam-controller",
            "--use-service-account-credentials=true",  # each controller under its own name, as in a real cluster
        ]
        self.programs.start("kube-controller-manager", self._command("kube-controller-manager", *controllers))
        self.programs.start("kube-scheduler", self._command("kube-scheduler", *shared, f"--secure-port={free_port()}"))

    def _command(self, name: str, *flags: str) -> list[str]:
        gates = [f"--feature-gates={self._gates}"] if self._gates else []
        return [str(self._build.program(name)), *flags, *gates]

    def _is_ready(self) -> bool:
        if self._apiserver.exit_code is not None:
            raise ProgramEndedError(f"kube-apiserver ended:\n{self._apiserver.output()[-3000:]}")
        try:
            self._tls = ssl.create_default_context(cafile=str(self.folder / "apiserver.crt"))
            return self.api.send("GET", "/readyz").code == 200
        except (OSError, ApiError):
            return False

    @property
    def _audit_log(self) -> Path:
        return self.folder / "audit.log"

    def _keep_asked(self) -> None:
        if self._audit_log.exists():
            ASKED_OF_ENDED.update(self.asked())

    def _write_credentials(self) -> None:
        (self.folder / "audit.json").write_text(json.dumps(audit_policy()))
        groups = {ADMINISTRATOR: "system:masters"}
        lines = [f'{token},{name},{name},"{groups.get(name, "developers")}"' for name, token in self._tokens.items()]
        (self.folder / "tokens.csv").write_text("\n".join(lines) + "\n")
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        (self.folder / "service-accounts.key").write_bytes(pem)

    def _kubeconfig(self, token: str) -> Json:
        server = {
            "server": f"https://{LOOPBACK}:{self._port}",
            "certificate-authority": str(self.folder / "apiserver.crt"),
        }
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": server}],
            "users": [{"name": "user", "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "user"}}],
            "current-context": "test",
        }


def _is_allowed(api: Api, path: str) -> bool:
    try:
        return api.send("GET", path).code == 200
    except ApiError:
        return False

"""Our own installation in a cluster: the names of its objects, and what Secrets, configurations and slices say."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from certs.authority import SERVING_CERTIFICATE, Authority, Data, read_authority
from certs.rotation import Asked
from webhook.core.raw import RawObject
from webhook.kube.client import ApiClient, GarbledError, NotFoundError

OURS = "drawbridge.dev/issued-by"
"""The annotation of a Secret that we have filled: without it a certificate there is somebody else's."""
ASKED = "drawbridge.dev/rotate"
"""The annotation by which `drawbridge certs rotate` asks for something."""
LEASE = "drawbridge-controller"
"""The Lease of the controller, which has one name wherever it is installed."""
_CERT_MANAGER = "cert-manager.io/certificate-name"
_INJECTED = "cert-manager.io/inject-"
_CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1"
_KINDS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")


@dataclass(frozen=True, slots=True)
class Installation:
    """The Service and both webhook configurations have one name, from which those of the Secrets follow."""

    namespace: str
    name: str = "drawbridge"

    @property
    def hosts(self) -> tuple[str, ...]:
        """Return the names by which the API server, and others in the cluster, call the Service."""
        service = f"{self.name}.{self.namespace}.svc"
        return service, f"{service}.cluster.local"

    @property
    def domains(self) -> tuple[str, ...]:
        """Return the domains that the CA is believed for: whoever steals its key can pose as nothing else."""
        return f"{self.namespace}.svc", f"{self.namespace}.svc.cluster.local"

    @property
    def serving_secret(self) -> str:
        return self._secret("tls")

    @property
    def ca_secret(self) -> str:
        return self._secret("ca")

    def _secret(self, which: str) -> str:
        return secret_path(self.namespace, f"{self.name}-{which}")

    @property
    def endpoint_slices(self) -> str:
        return f"/apis/discovery.k8s.io/v1/namespaces/{self.namespace}/endpointslices"

    @property
    def configurations(self) -> tuple[str, ...]:
        return tuple(f"{_CONFIGURATIONS}/{kind}/{self.name}" for kind in _KINDS)


@dataclass(frozen=True, slots=True)
class Held:
    """The certificates of an installation, and the `caBundle` of each webhook by configuration."""

    authority: Authority
    serving: Data
    bundles: Mapping[str, tuple[bytes, ...]]


async def read_held(api: ApiClient, installation: Installation) -> Held:
    """Return what is there now; ApiError where a Secret cannot be read."""
    bundles = {}
    for path in installation.configurations:
        try:
            bundles["/".join(path.split("/")[-2:])] = tuple(bundles_of(await api.get(path)))
        except NotFoundError:
            continue
    serving = secret_data(await api.get(installation.serving_secret))
    return Held(read_authority(secret_data(await api.get(installation.ca_secret)), serving), serving, bundles)


async def ask(api: ApiClient, installation: Installation, asked: Asked) -> None:
    """Leave word for who rotates certificates."""
    secret = installation.serving_secret if asked is Asked.SERVING else installation.ca_secret
    await api.merge(secret, {"metadata": {"annotations": {ASKED: asked.value}}})


def secrets_path(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/secrets"


def secret_path(namespace: str, name: str) -> str:
    return f"{secrets_path(namespace)}/{name}"


def secret_data(secret: RawObject) -> dict[str, bytes]:
    """Return the decoded data of a Secret; GarbledError where it is not base64."""
    try:
        return {str(name): base64.b64decode(value, validate=True) for name, value in (secret.get("data") or {}).items()}
    except (binascii.Error, TypeError, AttributeError):
        raise GarbledError("a Secret's data must be base64") from None


def annotations(found: RawObject) -> Mapping[str, str]:
    return (found.get("metadata") or {}).get("annotations") or {}


def is_foreign(secret: RawObject, data: Mapping[str, bytes]) -> bool:
    """Return whether somebody else fills the Secret: cert-manager, or whoever put a certificate there before us."""
    marks = annotations(secret)
    return _CERT_MANAGER in marks or (bool(data.get(SERVING_CERTIFICATE)) and OURS not in marks)


def what_is_asked(ca_secret: RawObject, serving_secret: RawObject) -> Asked:
    for secret, answers in ((ca_secret, (Asked.CA, Asked.CA_NOW)), (serving_secret, (Asked.SERVING,))):
        for answer in answers:
            if annotations(secret).get(ASKED) == answer.value:
                return answer
    return Asked.NOTHING


def webhooks_of(configuration: RawObject) -> list[Any]:
    return list(configuration.get("webhooks") or ())


def bundles_of(configuration: RawObject) -> Iterator[bytes]:
    for webhook in webhooks_of(configuration):
        try:
            yield base64.b64decode((webhook.get("clientConfig") or {}).get("caBundle") or "", validate=True)
        except (binascii.Error, TypeError):
            yield b""


def endpoints_of(slices: RawObject) -> Iterator[tuple[str, int, bool]]:
    """Yield address, port and readiness of each endpoint; readiness that is not told counts as ready (KEP-752)."""
    for piece in slices.get("items") or ():
        ports = [port["port"] for port in piece.get("ports") or () if port.get("port")]
        for endpoint in piece.get("endpoints") or ():
            ready = (endpoint.get("conditions") or {}).get("ready") is not False
            yield from ((address, port, ready) for address in endpoint.get("addresses") or () for port in ports)


def is_injected(configuration: RawObject) -> bool:
    """Return whether cert-manager writes the configuration's `caBundle`."""
    return any(name.startswith(_INJECTED) for name in annotations(configuration))

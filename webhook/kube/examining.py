"""Gathers what doctor judges of an installation: reads, TLS handshakes, and creations in dry runs; writes nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

import msgspec

from certs.authority import SERVING_CERTIFICATE
from certs.inspect import Certificate, CertificateError, read_certificates, signed_by
from webhook.core.cluster import NAME_LABEL
from webhook.core.raw import RawObject
from webhook.doctor.facts import (
    CONFIGURATION_KINDS,
    Bundle,
    Facts,
    Found,
    Keeper,
    Listed,
    Place,
    Presented,
    Probe,
    Shipped,
    Trust,
    Unseen,
)
from webhook.doctor.reach import PROBES, guarded_namespace, refusable
from webhook.doctor.rights import RBAC, RoleKey, accounts_of_shipped, bound_roles
from webhook.kube.client import ApiClient, ApiError, ForbiddenError, GarbledError, NotFoundError, path_of
from webhook.kube.installation import (
    LEASE,
    Installation,
    annotations,
    bundles_of,
    endpoints_of,
    is_injected,
    secret_data,
    webhooks_of,
)
from webhook.kube.kinds import CLAIMS, CLUSTER_QUOTAS, MAPPINGS, NAMESPACES, POLICIES, QUOTAS, Kind
from webhook.kube.server_truth import ask_gates, ask_version

_PAGE = 500
_RELEASE = "meta.helm.sh/release-name"
_PODS = "app.kubernetes.io/name=drawbridge"
_ROLE_PLURALS = {"Role": "roles", "ClusterRole": "clusterroles"}

Dial = Callable[[str, int], Awaitable[bytes]]
Refuses = Callable[[str, int, bytes], Awaitable[bool]]


class Examination:
    """One look at an installation. `namespace` is where probes are created, if it is guarded.

    `dial` returns the certificate that is served at an address, as PEM, and `refuses` whether it does not verify by a
    bundle, as certs/dial.py does; `now` is asked where the API server does not tell the time.
    """

    def __init__(
        self,
        api: ApiClient,
        installation: Installation,
        shipped: Shipped,
        *,
        dial: Dial,
        refuses: Refuses,
        now: Callable[[], datetime],
        namespace: str,
        version: str,
    ) -> None:
        self._api = api
        self._installation = installation
        self._shipped = shipped
        self._dial = dial
        self._refuses = refuses
        self._now = now
        self._namespace = namespace
        self._version = version

    async def facts(self) -> Facts:
        """Return what could be read; ApiError where the API server cannot be asked at all."""
        server_version = await ask_version(self._api)
        own, installation = f"/api/v1/namespaces/{self._installation.namespace}", self._installation
        service = await self._found(f"{own}/services/{installation.name}")
        paths = dict(zip(CONFIGURATION_KINDS, installation.configurations, strict=True))
        configurations = {plural: await self._found(path) for plural, path in paths.items()}
        names = accounts_of_shipped(self._shipped)
        accounts = {name: await self._found(f"{own}/serviceaccounts/{name}") for name in names}
        place = await self._place(service, configurations, accounts)
        bindings = await self._bindings()
        roles = () if isinstance(bindings, Unseen) else bound_roles(bindings, place.namespace, names)
        crds = [str(raw["metadata"]["name"]) for raw in self._shipped.crds]
        return Facts(
            place=place,
            shipped=self._shipped,
            command_version=self._version,
            service=service,
            configurations=configurations,
            trust=await self._trust(configurations),
            accounts=accounts,
            bindings=bindings,
            roles={role: await self._found(_role_path(role)) for role in dict.fromkeys(roles)},
            crds={
                crd: await self._found(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd}") for crd in crds
            },
            server_version=server_version,
            gates=await ask_gates(self._api),
            pods=await self._listed(f"{own}/pods", _PODS),
            leases={
                "-controller": await self._leases(LEASE),
                "-certs": await self._leases(f"{installation.name}-certs"),
            },
            policies=await self._all_of(POLICIES),
            mappings=await self._all_of(MAPPINGS),
            quotas=await self._all_of(QUOTAS),
            cluster_quotas=await self._all_of(CLUSTER_QUOTAS),
            probes=await self._probes(configurations),
            now=self._api.server_time() or self._now(),
        )

    # Reading

    async def _found(self, path: str, **parameters: str) -> Found:
        try:
            return await self._api.get(path, **parameters)
        except NotFoundError:
            return None
        except (ForbiddenError, GarbledError) as error:
            return Unseen(str(error))

    async def _listed(self, path: str, labels: str = "") -> Listed:
        """Return all objects of a kind; none where the API server does not serve it."""
        found: list[RawObject] = []
        go_on = ""
        try:
            while True:
                page = await self._api.page(path, limit=_PAGE, go_on=go_on, labels=labels)
                found += (msgspec.json.decode(item) for item in page.items)
                go_on = page.go_on
                if not go_on:
                    return tuple(found)
        except NotFoundError:
            return ()
        except (ForbiddenError, GarbledError) as error:
            return Unseen(str(error))

    async def _all_of(self, kind: Kind) -> Listed:
        return await self._listed(path_of(kind))

    async def _place(self, service: Found, configurations: Mapping[str, Found], accounts: Mapping[str, Found]) -> Place:
        installation = self._installation
        known = [found for found in configurations.values() if isinstance(found, dict)]
        keeps = accounts.get(f"{installation.name}-certs") is not None
        if not keeps:
            path = f"/apis/apps/v1/namespaces/{installation.namespace}/deployments/{installation.name}-certs"
            keeps = await self._found(path) is not None
        injected = any(is_injected(found) for found in known)
        keeper = Keeper.CERT_MANAGER if injected else Keeper.OURS if keeps else Keeper.PROVIDED
        marked = [*known, *([service] if isinstance(service, dict) else ())]
        releases = (annotations(found).get(_RELEASE, "") for found in marked)
        return Place(installation.namespace, installation.name, next(filter(None, releases), ""), keeper)

    async def _bindings(self) -> Listed:
        """Return the bindings of both kinds; a list leaves out what its items are."""
        found: list[RawObject] = []
        for kind in ("ClusterRoleBinding", "RoleBinding"):
            listed = await self._listed(f"/apis/{RBAC}/{kind.lower()}s")
            if isinstance(listed, Unseen):
                return listed
            found += ({**raw, "kind": kind} for raw in listed)
        return tuple(found)

    async def _leases(self, name: str) -> Listed:
        """Return the Leases of a name in all namespaces; in our own alone, where no others can be read."""
        group = "/apis/coordination.k8s.io/v1"
        listed = await self._found(f"{group}/leases", fieldSelector=f"metadata.name={name}")
        if isinstance(listed, dict):
            return tuple(listed.get("items") or ())
        found = await self._found(f"{group}/namespaces/{self._installation.namespace}/leases/{name}")
        return found if isinstance(found, Unseen) else () if found is None else (found,)

    # Certificates

    async def _trust(self, configurations: Mapping[str, Found]) -> Trust:
        bundles = tuple(
            _bundle(plural, index, pem)
            for plural, found in configurations.items()
            if isinstance(found, dict)
            for index, pem in enumerate(bundles_of(found))
        )
        labels = f"kubernetes.io/service-name={self._installation.name}"
        slices = await self._found(self._installation.endpoint_slices, labelSelector=labels)
        if isinstance(slices, Unseen):
            return Trust(slices, stored=await self._stored(bundles), bundles=bundles)
        ready = tuple((address, port) for address, port, is_ready in endpoints_of(slices or {}) if is_ready)
        seen = await asyncio.gather(*(self._seen_at(address, port, bundles) for address, port in ready))
        presented = tuple(one for one in seen if one is not None)
        return Trust(
            ready=tuple(f"{address}:{port}" for address, port in ready),
            silent=tuple(f"{address}:{port}" for (address, port), one in zip(ready, seen, strict=True) if one is None),
            presented=presented,
            stored=None if presented else await self._stored(bundles),
            bundles=bundles,
        )

    async def _seen_at(self, address: str, port: int, bundles: Iterable[Bundle]) -> Presented | None:
        """Return what an endpoint presents; a bundle that has not signed it is tried as a client would."""
        pem = await self._dial(address, port)
        if not pem:
            return None
        seen = _presented(f"{address}:{port}", pem, bundles)
        refused = [bundle for bundle in seen.refused if await self._refuses(address, port, bundle)]
        return replace(seen, refused=frozenset(refused))

    async def _stored(self, bundles: Iterable[Bundle]) -> Presented | Unseen | None:
        """Return the serving certificate of the Secret."""
        found = await self._found(self._installation.serving_secret)
        if found is None or isinstance(found, Unseen):
            return found
        try:
            pem = secret_data(found).get(SERVING_CERTIFICATE, b"")
            return _presented(f"the Secret '{self._installation.name}-tls'", pem, bundles)
        except (GarbledError, CertificateError) as error:
            return Unseen(str(error))

    # Asking

    async def _probes(self, configurations: Mapping[str, Found]) -> tuple[Probe, ...]:
        """Create what each configuration must refuse, in dry runs, where it is there to refuse it."""
        labels = await self._labels()
        probes = []
        for plural, name in PROBES.items():
            found = configurations[plural]
            namespace = self._namespace
            if isinstance(found, dict):
                webhook = next((each for each in webhooks_of(found) if each.get("name") == name), None)
                if webhook is None:
                    continue
                namespace = guarded_namespace(webhook, labels, self._namespace)
            if found is not None:
                probes.append(await self._probe(plural, name, namespace))
        return tuple(probes)

    async def _probe(self, plural: str, webhook: str, namespace: str) -> Probe:
        if not namespace:
            return Probe(plural, webhook, "", 0, "")
        try:
            await self._api.create(path_of(CLAIMS, namespace), refusable(plural, namespace), dryRun="All")
        except ApiError as error:
            return Probe(plural, webhook, namespace, error.status, str(error))
        return Probe(plural, webhook, namespace, 201, "")

    async def _labels(self) -> Mapping[str, Mapping[str, str]]:
        """Return the labels of each namespace that is not ending; of the one to probe in, where none can be read."""
        listed = await self._all_of(NAMESPACES)
        if isinstance(listed, Unseen):
            return {self._namespace: {NAME_LABEL: self._namespace}}
        alive = [raw["metadata"] for raw in listed if (raw.get("status") or {}).get("phase") != "Terminating"]
        return {str(metadata["name"]): metadata.get("labels") or {} for metadata in alive}


def _role_path(role: RoleKey) -> str:
    kind, namespace, name = role
    place = f"namespaces/{namespace}/" if namespace else ""
    return f"/apis/{RBAC}/{place}{_ROLE_PLURALS[kind]}/{name}"


def _bundle(configuration: str, index: int, pem: bytes) -> Bundle:
    """Return a bundle as an API server reads it, for which what signs need not be called a CA."""
    if not pem.strip():
        return Bundle(configuration, index, pem, "it is empty")
    try:
        validities = {certificate.fingerprint: certificate.validity for certificate in read_certificates(pem)}
    except CertificateError:
        return Bundle(configuration, index, pem, "it holds no PEM certificate, or one that cannot be read")
    return Bundle(configuration, index, pem, authorities=validities)


def _presented(where: str, pem: bytes, bundles: Iterable[Bundle]) -> Presented:
    """Return a certificate, with its chain where that is known; bundles that vouch for nothing of it refuse it."""
    chain = read_certificates(pem)
    trusted = {bundle.pem: read_certificates(bundle.pem) for bundle in bundles if not bundle.problem}
    return Presented(
        where,
        chain[0].fingerprint,
        chain[0].validity,
        chain[0].names,
        issuers=frozenset(root.fingerprint for roots in trusted.values() for root in roots if _vouches(root, chain[0])),
        refused=frozenset(
            bundle
            for bundle, roots in trusted.items()
            if not any(_vouches(root, link) for root in roots for link in chain)
        ),
    )


def _vouches(root: Certificate, certificate: Certificate) -> bool:
    """Return whether an API server that trusts the one believes the other (Go's crypto/x509): itself, or its CA."""
    return root.fingerprint == certificate.fingerprint or (root.is_ca and signed_by(certificate.pem, root.pem))

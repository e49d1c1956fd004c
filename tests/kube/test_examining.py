"""What doctor gathers, against an API server on loopback; what it makes of a whole installation is shown end to end."""

import asyncio
import base64
from collections.abc import Callable, Collection
from datetime import UTC, datetime

import pytest

from certs.authority import SERVING_CERTIFICATE, SERVING_KEY, Authority, issued, staged
from certs.issue import Pair, issue_serving, make_key
from certs.rotation import Step
from tests.kube.fake_api import FakeApi, fake_api
from webhook.doctor.facts import MUTATING, VALIDATING, Facts, Keeper, Presented, Unseen
from webhook.kube.client import UnavailableError
from webhook.kube.examining import Examination
from webhook.kube.installation import Installation
from webhook.kube.shipped_installation import shipped_for

HERE = Installation("gpu", "moat")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SERVED = (
    "secrets",
    "endpointslices",
    "leases",
    "namespaces",
    "pods",
    "claimpolicies",
    "resourceclaims",
    MUTATING,
    VALIDATING,
)
PORTS = [{"name": "https", "port": 8443}]


def numbers(length: int) -> bytes:
    return bytes(range(1, length + 1))


AUTHORITY = staged(Step.REPLACE_CA, Authority(), NOW, numbers, HERE.domains)
OTHER = staged(Step.REPLACE_CA, Authority(), NOW, numbers, HERE.domains)
SERVED_PAIR = issued(AUTHORITY, HERE.hosts, NOW, numbers)
PEM = SERVED_PAIR[SERVING_CERTIFICATE]


def nothing(api: FakeApi) -> None:
    """Leave it as it is."""


def looked(
    prepare: Callable[[FakeApi], object] = nothing,
    dialled: bytes = b"",
    plurals: tuple[str, ...] = SERVED,
    chained: Collection[bytes] = (),
) -> tuple[Facts, FakeApi]:
    """Return what is gathered where one endpoint serves the certificate, or nothing; and the API server.

    What is served verifies by the bundles of `chained` over certificates between.
    """

    async def dial(host: str, port: int) -> bytes:
        assert (host, port) == ("10.0.0.1", 8443)
        return dialled

    async def refuses(host: str, port: int, bundle: bytes) -> bool:
        assert (host, port) == ("10.0.0.1", 8443)
        return bundle not in chained

    async def whole() -> tuple[Facts, FakeApi]:
        async with fake_api(*plurals) as api, api.client() as client:
            api.now = NOW
            api.put("endpointslices", "one", HERE.namespace, ports=PORTS, endpoints=[{"addresses": ["10.0.0.1"]}])
            prepare(api)
            examination = Examination(
                client,
                HERE,
                shipped_for(HERE),
                dial=dial,
                refuses=refuses,
                now=lambda: datetime(2001, 1, 1, tzinfo=UTC),
                namespace="default",
                version="0.1.0",
            )
            return await examination.facts(), api

    return asyncio.run(whole())


@pytest.mark.parametrize(
    ("annotations", "keeper", "release"),
    [
        ({}, Keeper.PROVIDED, ""),
        ({"meta.helm.sh/release-name": "gate"}, Keeper.PROVIDED, "gate"),
        ({"cert-manager.io/inject-ca-from": "gpu/moat-ca"}, Keeper.CERT_MANAGER, ""),
    ],
)
def test_how_it_was_installed_is_seen(annotations: dict[str, str], keeper: Keeper, release: str) -> None:
    facts, _ = looked(lambda api: api.put(MUTATING, "moat", webhooks=[], metadata={"annotations": annotations}))
    place = facts.place
    assert (place.namespace, place.name, place.keeper, place.release) == ("gpu", "moat", keeper, release)


def test_of_a_cluster_without_it_everything_is_absent_and_nothing_unseen() -> None:
    facts, _ = looked(plurals=("endpointslices", "leases"))
    assert facts.now == NOW
    assert facts.server_version == "1.37"
    assert {*facts.configurations.values(), *facts.crds.values(), *facts.accounts.values()} == {None}
    assert (facts.service, facts.probes, facts.policies) == (None, (), ())


def test_where_an_endpoint_answers_no_secret_is_read() -> None:
    facts, api = looked(dialled=PEM)
    assert api.count("GET", "/secrets") == 0
    [seen] = facts.trust.presented
    assert (seen.where, seen.names[0]) == ("10.0.0.1:8443", "moat.gpu.svc")
    assert (facts.trust.ready, facts.trust.silent) == (("10.0.0.1:8443",), ())


@pytest.mark.parametrize(
    ("bundle", "chained", "refused"),
    [
        (AUTHORITY.bundle(), [], frozenset()),
        (AUTHORITY.bundle() + PEM, [], frozenset()),
        (PEM, [], frozenset()),
        (OTHER.bundle(), [], frozenset({OTHER.bundle()})),
        (OTHER.bundle(), [OTHER.bundle()], frozenset()),
    ],
    ids=["signed by it", "with the whole chain", "itself", "by another", "over a chain"],
)
def test_a_bundle_refuses_what_does_not_verify(
    bundle: bytes, chained: Collection[bytes], refused: frozenset[bytes]
) -> None:
    webhooks = [{"name": "x", "clientConfig": {"caBundle": base64.b64encode(bundle).decode()}}]
    facts, _ = looked(lambda api: api.put(MUTATING, "moat", webhooks=webhooks), PEM, chained=chained)
    assert facts.trust.presented[0].refused == refused
    assert facts.trust.bundles[0].problem == ""


def test_what_is_no_ca_vouches_for_nothing_but_itself() -> None:
    signed = issue_serving(Pair(PEM, SERVED_PAIR[SERVING_KEY]), make_key(), HERE.hosts, NOW, numbers)
    webhooks = [{"name": "x", "clientConfig": {"caBundle": base64.b64encode(PEM).decode()}}]
    facts, _ = looked(lambda api: api.put(MUTATING, "moat", webhooks=webhooks), signed.certificate)
    assert facts.trust.presented[0].refused == frozenset({PEM})


@pytest.mark.parametrize(
    ("bundle", "problem"),
    [(b"", "it is empty"), (b"garbage", "it holds no PEM certificate, or one that cannot be read")],
)
def test_a_bundle_that_is_none_has_a_problem(bundle: bytes, problem: str) -> None:
    webhooks = [{"name": "x", "clientConfig": {"caBundle": base64.b64encode(bundle).decode()}}]
    facts, _ = looked(lambda api: api.put(MUTATING, "moat", webhooks=webhooks), PEM)
    assert facts.trust.bundles[0].problem == problem


def test_where_none_answers_the_secret_is_looked_at() -> None:
    data = {"tls.crt": base64.b64encode(PEM).decode()}
    facts, _ = looked(lambda api: api.put("secrets", "moat-tls", "gpu", data=data))
    assert isinstance(facts.trust.stored, Presented)
    assert (facts.trust.stored.where, facts.trust.silent) == ("the Secret 'moat-tls'", ("10.0.0.1:8443",))


def test_what_is_forbidden_is_unseen() -> None:
    def forbid(api: FakeApi) -> None:
        for part in ("/secrets", "/pods", "/leases", "/claimpolicies", "/rolebindings", "/serviceaccounts"):
            api.fail(403, part=part, times=9)

    facts, _ = looked(forbid)
    for found in (facts.trust.stored, facts.pods, facts.leases["-certs"], facts.policies, facts.bindings):
        assert found == Unseen("fault 403")
    assert set(facts.accounts.values()) == {Unseen("fault 403")}


def test_where_other_namespaces_may_not_be_read_the_lease_of_our_own_is() -> None:
    def prepare(api: FakeApi) -> None:
        api.put("leases", "moat-certs", "gpu", spec={"holderIdentity": "one"})
        api.fail(403, part="/coordination.k8s.io/v1/leases", times=2)

    facts, _ = looked(prepare)
    assert facts.leases["-controller"] == ()
    assert isinstance(facts.leases["-certs"], tuple)
    assert [lease["spec"]["holderIdentity"] for lease in facts.leases["-certs"]] == ["one"]


def test_a_server_that_cannot_answer_is_not_taken_for_an_empty_one() -> None:
    with pytest.raises(UnavailableError):
        looked(lambda api: api.fail(503, part="/customresourcedefinitions"))


def test_long_lists_are_read_to_their_end() -> None:
    facts, _ = looked(lambda api: [api.put("claimpolicies", f"p{index}") for index in range(501)])
    assert isinstance(facts.policies, tuple)
    assert len(facts.policies) == 501


def test_a_claim_that_nobody_refuses_is_noted_as_created() -> None:
    def prepare(api: FakeApi) -> None:
        api.put("namespaces", "default", metadata={"labels": {"kubernetes.io/metadata.name": "default"}})
        api.put("namespaces", "another", status={"phase": "Terminating"})
        api.put(VALIDATING, "moat", webhooks=[{"name": "claims.validate.drawbridge.dev"}])

    facts, api = looked(prepare)
    assert api.count("POST", "/namespaces/default/resourceclaims?dryRun=All") == 1
    [probe] = facts.probes
    assert (probe.configuration, probe.namespace, probe.code) == (VALIDATING, "default", 201)

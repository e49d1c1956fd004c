"""The rotation of certificates against an API server on loopback: real certificates, replicas played by the test."""

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from certs.authority import trusted_by
from certs.inspect import Certificate, read_certificate, read_certificates, signed_by
from certs.issue import issue_ca, issue_serving, make_key
from certs.rotation import Action, Pace, Publish, Step
from tests.kube.fake_api import FakeApi, fake_api, silent, until
from webhook.kube.certificates import CertificateKeeper
from webhook.kube.client import ApiClient
from webhook.kube.installation import ASKED, OURS, Installation

NAMESPACE = "drawbridge-system"
TLS, CA = "drawbridge-tls", "drawbridge-ca"
MUTATING, VALIDATING = "mutatingwebhookconfigurations", "validatingwebhookconfigurations"
BEGIN = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)
STAGES = [Step.MAKE_NEXT_CA, Step.SIGN_WITH_NEXT_CA, Step.DROP_OLD_CA]


def counted() -> Callable[[int], bytes]:
    numbers = iter(range(1, 256))
    return lambda length: bytes([next(numbers)] * length)


class Rig:
    """An installation; `api.now` is the API server's time, `clock` monotonic, `served` what each replica serves."""

    def __init__(self, api: FakeApi, client: ApiClient) -> None:
        self.api = api
        self.client = client
        self.clock = 0.0
        self.served: dict[str, str] | None = None
        self.keeper = self.another()
        api.now = BEGIN

    def another(self, look_seconds: float = 10.0) -> CertificateKeeper:
        """Return one more controller, or the same after a crash."""
        return CertificateKeeper(
            self.client,
            Installation(NAMESPACE),
            dial=self._dial,
            clock=lambda: self.clock,
            now=lambda: datetime(2001, 1, 1, tzinfo=UTC),
            random=counted(),
            log=silent(),
            pace=Pace(),
            look_seconds=look_seconds,
        )

    async def _dial(self, host: str, port: int) -> str:
        assert port == 8443
        return self.leaf.fingerprint if self.served is None else self.served[host]

    def secret(self, name: str) -> dict[str, bytes]:
        data = self.api.objects["secrets"][NAMESPACE, name].get("data", {})
        return {key: base64.b64decode(value) for key, value in data.items()}

    def mark(self, name: str, **annotations: str) -> None:
        secret = self.api.objects["secrets"][NAMESPACE, name]
        kept = {**secret["metadata"].get("annotations", {}), **annotations}
        self.api.put("secrets", name, NAMESPACE, **{**secret, "metadata": {"annotations": kept}})

    @property
    def leaf(self) -> Certificate:
        return read_certificate(self.secret(TLS)["tls.crt"])

    def bundles(self) -> Iterator[bytes]:
        for kind in (MUTATING, VALIDATING):
            for webhook in self.api.objects[kind]["", "drawbridge"]["webhooks"]:
                yield base64.b64decode(webhook["clientConfig"].get("caBundle", ""))

    def bundle(self) -> bytes:
        """Return the one that all webhooks have."""
        [found] = set(self.bundles())
        return found

    def verifies(self) -> bool:
        return all(signed_by(self.leaf.pem, bundle) for bundle in self.bundles())

    async def settle(self, *, watched: bool = True) -> list[Action]:
        """Look each ten seconds until nothing has been done for longer than a stage lasts; return what was done."""
        done: list[Action] = []
        idle = 0
        while idle < 15:
            actions = await self.keeper.look()
            idle = 0 if actions else idle + 1
            done += actions
            self.clock += 10
            assert not watched or self.verifies()
        return done

    def pass_days(self, days: float) -> None:
        assert self.api.now is not None
        self.api.now += days * DAY

    def replicas(self, *addresses: tuple[str, bool]) -> None:
        endpoints = [{"addresses": [address], "conditions": {"ready": ready}} for address, ready in addresses]
        self.api.put("endpointslices", "drawbridge-1", NAMESPACE, ports=[{"port": 8443}], endpoints=endpoints)

    def writes(self) -> list[str]:
        return [path for method, path in self.api.requests if method != "GET"]


@asynccontextmanager
async def empty() -> AsyncIterator[Rig]:
    """An installation as deploy/ makes it, before anybody has filled the Secrets."""
    async with fake_api("secrets", "endpointslices", MUTATING, VALIDATING) as api, api.client() as client:
        rig = Rig(api, client)
        for name in (TLS, CA):
            api.put("secrets", name, NAMESPACE)
        for kind, names in ((MUTATING, ("claims", "pods")), (VALIDATING, ("claims",))):
            api.put(kind, "drawbridge", webhooks=[{"name": name, "clientConfig": {}} for name in names])
        rig.replicas(("10.0.0.1", True), ("10.0.0.2", True))
        yield rig


@asynccontextmanager
async def installed() -> AsyncIterator[Rig]:
    async with empty() as rig:
        await rig.settle(watched=False)
        yield rig


def run(test: Callable[[Rig], Awaitable[None]], *, begun: bool = True) -> None:
    async def whole() -> None:
        async with installed() if begun else empty() as rig:
            await test(rig)

    asyncio.run(whole())


def steps(done: list[Action]) -> list[Action]:
    return [action for action in done if not isinstance(action, Publish)]


def test_empty_secrets_are_filled_and_the_configurations_told() -> None:
    async def test(rig: Rig) -> None:
        assert steps(await rig.settle(watched=False)) == [Step.REPLACE_CA, Step.ISSUE]
        assert rig.verifies()
        assert rig.secret(CA).keys() == {"ca.crt", "ca.key"}
        assert rig.secret(TLS).keys() == {"tls.crt", "tls.key", "ca.crt"}
        assert {"drawbridge.drawbridge-system.svc", "localhost"} <= set(rig.leaf.names)
        [root] = read_certificates(rig.bundle())
        assert (rig.leaf.validity.not_after - BEGIN, root.validity.not_after - BEGIN) == (30 * DAY, 730 * DAY)
        assert await rig.settle() == []

    run(test, begun=False)


def test_fm_11_a_serving_certificate_is_renewed_at_two_thirds_of_its_life_by_the_same_ca() -> None:
    async def test(rig: Rig) -> None:
        before, ca = rig.leaf, rig.bundle()
        rig.pass_days(19.9)
        assert await rig.settle() == []
        rig.pass_days(0.2)
        assert await rig.settle() == [Step.ISSUE]
        assert rig.leaf.serial != before.serial
        assert rig.bundle() == ca

    run(test)


def test_fm_14_a_ca_is_replaced_in_stages_and_is_trusted_while_a_replica_needs_it() -> None:
    async def test(rig: Rig) -> None:
        old, ca = rig.leaf.fingerprint, rig.bundle()
        rig.served = {"10.0.0.1": old, "10.0.0.2": old}
        rig.mark(CA, **{ASKED: "ca"})
        done = await rig.settle()
        assert steps(done) == [Step.MAKE_NEXT_CA, Step.SIGN_WITH_NEXT_CA, Step.ISSUE]
        assert rig.bundle().startswith(ca)
        assert len(read_certificates(rig.bundle())) == 2
        rig.served = {"10.0.0.1": rig.leaf.fingerprint, "10.0.0.2": old}
        assert await rig.settle() == []
        rig.served["10.0.0.2"] = rig.leaf.fingerprint
        assert steps(await rig.settle()) == [Step.DROP_OLD_CA]
        assert len(read_certificates(rig.bundle())) == 1
        assert trusted_by(rig.bundle()) != trusted_by(ca)
        assert ASKED not in rig.api.objects["secrets"][NAMESPACE, CA]["metadata"]["annotations"]

    run(test)


def test_a_ca_is_replaced_at_two_thirds_of_its_life() -> None:
    async def test(rig: Rig) -> None:
        for _ in range(24):
            rig.pass_days(20)
            assert await rig.settle() == [Step.ISSUE]
        rig.pass_days(7)
        assert [step for step in steps(await rig.settle()) if step is not Step.ISSUE] == STAGES

    run(test)


@pytest.mark.parametrize(("ready", "follows"), [(False, True), (True, False)])
def test_an_endpoint_that_does_not_answer_counts_where_calls_are_sent_to_it(ready: bool, follows: bool) -> None:
    async def test(rig: Rig) -> None:
        rig.replicas(("10.0.0.1", True), ("10.0.0.2", ready))
        rig.mark(CA, **{ASKED: "ca"})
        await rig.settle()
        rig.served = {"10.0.0.1": rig.leaf.fingerprint, "10.0.0.2": ""}
        rig.mark(CA, **{ASKED: "ca"})
        done = steps(await rig.settle())
        rig.served["10.0.0.1"] = rig.leaf.fingerprint
        done += steps(await rig.settle())
        assert (Step.DROP_OLD_CA in done) is follows

    run(test)


def test_a_crash_between_any_two_writes_loses_nothing() -> None:
    async def test(rig: Rig) -> None:
        rig.mark(CA, **{ASKED: "ca"})
        allowed = 0

        def refuse_but_one(_: web.Request) -> None:
            nonlocal allowed
            allowed -= 1
            if allowed < 0:
                raise web.HTTPServiceUnavailable

        rig.api.before_write = refuse_but_one
        done: list[Action] = []
        for _ in range(80):
            allowed = 1
            actions = await rig.keeper.look()
            if actions:
                rig.keeper = rig.another()
            done += actions
            rig.clock += 10
            assert rig.verifies()
        assert [step for step in steps(done) if step is not Step.ISSUE] == STAGES

    run(test)


def test_a_ca_whose_key_is_known_is_not_trusted_a_moment_longer() -> None:
    async def test(rig: Rig) -> None:
        ca = trusted_by(rig.bundle())
        rig.mark(CA, **{ASKED: "ca-now"})
        done = [*await rig.keeper.look(), *await rig.keeper.look()]
        assert steps(done) == [Step.REPLACE_CA, Step.ISSUE]
        assert trusted_by(rig.bundle()).isdisjoint(ca)
        assert rig.verifies()
        assert await rig.settle() == []

    run(test)


def test_a_renewal_that_is_asked_for_is_done_once() -> None:
    async def test(rig: Rig) -> None:
        rig.mark(TLS, **{ASKED: "serving"})
        assert await rig.settle() == [Step.ISSUE]
        assert await rig.settle() == []

    run(test)


def test_cas_that_are_lost_are_replaced_in_stages() -> None:
    """What the lost CA has signed is still served, and its certificate lies beside it."""

    async def test(rig: Rig) -> None:
        rig.api.objects["secrets"][NAMESPACE, CA].pop("data")
        done = steps(await rig.settle())
        assert done == [Step.MAKE_NEXT_CA, Step.SIGN_WITH_NEXT_CA, Step.ISSUE, Step.DROP_OLD_CA]

    run(test)


@pytest.mark.parametrize("wrong", ["", "bm90IGEgYnVuZGxl", "!", base64.b64encode(b"-----BEGIN").decode()])
def test_fm_17_a_bundle_that_somebody_has_broken_is_mended(wrong: str) -> None:
    async def test(rig: Rig) -> None:
        webhooks = rig.api.objects[MUTATING]["", "drawbridge"]["webhooks"]
        changed = [{**webhooks[0], "clientConfig": {"caBundle": wrong}}, webhooks[1]]
        rig.api.put(MUTATING, "drawbridge", webhooks=changed)
        done = await rig.settle(watched=False)
        assert done == [Publish(f"/apis/admissionregistration.k8s.io/v1/{MUTATING}/drawbridge")]
        assert rig.verifies()

    run(test)


def test_fm_16_who_keeps_writing_another_bundle_is_answered_once_a_look() -> None:
    """A look is every ten seconds; here it is more often."""
    look_seconds = 0.1

    async def test(rig: Rig) -> None:
        keeper = rig.another(look_seconds)
        right = rig.bundle()
        wrong: list[dict[str, Any]] = [{"name": name, "clientConfig": {}} for name in ("claims", "pods")]
        written = len(rig.writes())
        began = asyncio.get_running_loop().time()
        looking = asyncio.create_task(keeper.run())
        for number in range(6):
            rig.api.put(MUTATING, "drawbridge", webhooks=wrong)
            await until(lambda: set(rig.bundles()) == {right})
            assert keeper.figures().actions.get("publish", 0) >= number, "it is to be seen in a metric"
        looking.cancel()
        assert len(rig.writes()) - written == 6
        assert asyncio.get_running_loop().time() - began >= 5 * look_seconds

    run(test)


def test_a_configuration_that_has_changed_since_it_was_read_is_not_written() -> None:
    async def test(rig: Rig) -> None:
        rig.api.put(VALIDATING, "drawbridge", webhooks=[{"name": "claims", "clientConfig": {}}])

        def reorder(_: web.Request) -> None:
            rig.api.before_write = None
            webhooks = [{"name": "new", "clientConfig": {}}, {"name": "claims", "clientConfig": {}}]
            rig.api.put(VALIDATING, "drawbridge", webhooks=webhooks)

        rig.api.before_write = reorder
        assert await rig.keeper.look() == ()
        assert rig.keeper.figures().failures == 1
        assert len(await rig.keeper.look()) == 1
        assert rig.verifies()

    run(test)


def test_fm_21_of_many_that_begin_at_once_one_makes_the_ca() -> None:
    async def test(rig: Rig) -> None:
        keepers = [rig.another() for _ in range(5)]
        for _ in range(10):
            await asyncio.gather(*(keeper.look() for keeper in keepers))
            rig.clock += 10
        actions = sum((Counter(keeper.figures().actions) for keeper in keepers), Counter[str]())
        assert (actions[Step.REPLACE_CA.value], actions[Step.ISSUE.value]) == (1, 1)
        assert trusted_by(rig.bundle()) == trusted_by(rig.secret(CA)["ca.crt"])
        assert rig.verifies()

    run(test, begun=False)


def test_a_secret_that_has_changed_since_it_was_read_is_not_written() -> None:
    async def test(rig: Rig) -> None:
        rig.pass_days(21)
        other = rig.another()

        first, second = await asyncio.gather(rig.keeper.look(), other.look())
        assert len(first) + len(second) == 1
        assert rig.verifies()

    run(test)


def test_fm_07_a_configuration_that_is_not_there_holds_nothing_up() -> None:
    async def test(rig: Rig) -> None:
        rig.api.remove(VALIDATING, "drawbridge")
        assert steps(await rig.settle(watched=False)) == [Step.REPLACE_CA, Step.ISSUE]

    run(test, begun=False)


def by_cert_manager(rig: Rig) -> None:
    pair = issue_serving(issue_ca(make_key(), BEGIN, counted()), make_key(), [], BEGIN, counted())
    encoded = {"tls.crt": pair.certificate, "tls.key": pair.key}
    rig.api.put("secrets", TLS, NAMESPACE, data={k: base64.b64encode(v).decode() for k, v in encoded.items()})


def test_nothing_is_written_where_somebody_else_provides_the_certificate() -> None:
    async def test(rig: Rig) -> None:
        by_cert_manager(rig)
        rig.pass_days(800)
        assert await rig.settle(watched=False) == []
        assert rig.writes() == []

    run(test, begun=False)


def test_nothing_is_written_where_cert_manager_has_taken_over() -> None:
    async def test(rig: Rig) -> None:
        rig.mark(TLS, **{"cert-manager.io/certificate-name": "drawbridge"})
        rig.mark(CA, **{ASKED: "ca-now"})
        before = len(rig.writes())
        rig.pass_days(800)
        assert await rig.settle(watched=False) == []
        assert len(rig.writes()) == before

    run(test)


def test_fm_16_a_configuration_that_cert_manager_injects_into_is_left_to_it() -> None:
    async def test(rig: Rig) -> None:
        injected: dict[str, Any] = {"annotations": {"cert-manager.io/inject-ca-from": f"{NAMESPACE}/drawbridge-ca"}}
        rig.api.put(VALIDATING, "drawbridge", metadata=injected, webhooks=[{"name": "claims", "clientConfig": {}}])
        assert await rig.settle(watched=False) == []
        assert not rig.api.objects[VALIDATING]["", "drawbridge"]["webhooks"][0]["clientConfig"]

    run(test)


def test_secrets_carry_the_mark_by_which_they_are_known_as_ours() -> None:
    async def test(rig: Rig) -> None:
        for name in (TLS, CA):
            assert OURS in rig.api.objects["secrets"][NAMESPACE, name]["metadata"]["annotations"]

    run(test)

"""Rotates the certificates of an installation in a cluster: sees, asks the plan (certs/rotation.py), writes.

Every write names what was read before, and the CAs are read last: who writes rests on the newest of them, and an older
decision about a configuration fails on what has been written there since.
"""

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from structlog.typing import FilteringBoundLogger

from certs.authority import (
    SERVING_CERTIFICATE,
    Authority,
    bundle_problem,
    content,
    issued,
    read_authority,
    serving_in,
    staged,
    trusted_by,
)
from certs.inspect import CertificateError, read_certificate
from certs.issue import Random
from certs.rotation import Action, Pace, Publish, Situation, Steady, Step, plan
from webhook.core.raw import RawObject
from webhook.kube.client import ApiClient, ApiError, GarbledError, NotFoundError
from webhook.kube.installation import (
    ASKED,
    OURS,
    Installation,
    annotations,
    bundles_of,
    endpoints_of,
    is_foreign,
    is_injected,
    secret_data,
    webhooks_of,
    what_is_asked,
)

_AFTER_STEP_SECONDS = 0.2

Dial = Callable[[str, int], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Seen:
    """The objects as they were read; a Secret or configuration that is not there is absent."""

    authority: Authority
    ca_secret: RawObject
    serving_secret: RawObject
    configurations: Mapping[str, RawObject]
    situation: Situation
    now: datetime


@dataclass(frozen=True, slots=True)
class CertificateFigures:
    """What was done since the start; `ca_not_after` is the end of the CA that signs, in seconds since 1970."""

    actions: Mapping[str, int] = field(default_factory=dict)
    failures: int = 0
    ca_not_after: float = 0.0


class CertificateKeeper:
    """Run it as one task while leading."""

    def __init__(
        self,
        api: ApiClient,
        installation: Installation,
        *,
        dial: Dial,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        random: Random,
        log: FilteringBoundLogger,
        pace: Pace,
        look_seconds: float = 10.0,
    ) -> None:
        self._api = api
        self._installation = installation
        self._dial = dial
        self._clock = clock
        self._now = now
        self._random = random
        self._log = log
        self._pace = pace
        self._look_seconds = look_seconds
        self._steady = Steady()
        self._actions: Counter[str] = Counter()
        self._ca_not_after = 0.0
        self._failures = 0

    def figures(self) -> CertificateFigures:
        return CertificateFigures(dict(self._actions), self._failures, self._ca_not_after)

    async def run(self) -> None:
        """Look and act, forever. Configurations that somebody else keeps writing are written once a look at most."""
        while True:
            done = await self.look()
            stepped = any(isinstance(action, Step) for action in done)
            await asyncio.sleep(min(_AFTER_STEP_SECONDS, self._look_seconds) if stepped else self._look_seconds)

    async def look(self) -> tuple[Action, ...]:
        """Look once, do what the plan says, and return what was done; what fails is logged, counted and seen again."""
        try:
            seen = await self._see()
        except (ApiError, GarbledError) as error:
            self._failures += 1
            self._log.warning("certificates", why=str(error))
            return ()
        actions = plan(seen.situation, seen.now, self._pace)
        return tuple([action for action in actions if await self._has_done(action, seen)])

    async def _has_done(self, action: Action, seen: Seen) -> bool:
        try:
            await self._do(action, seen)
        except (ApiError, GarbledError) as error:
            self._failures += 1
            self._log.warning("certificates", action=_word(action), why=str(error))
            return False
        self._actions[_word(action)] += 1
        self._log.info("certificates", action=_word(action), what=_what(action))
        return True

    # Seeing

    async def _see(self) -> Seen:
        configurations = {path: found async for path, found in self._configurations()}
        serving_secret = await self._api.get(self._installation.serving_secret)
        serving = secret_data(serving_secret)
        follow = await self._replicas_follow(serving.get(SERVING_CERTIFICATE, b""))
        ca_secret = await self._api.get(self._installation.ca_secret)
        authority = read_authority(secret_data(ca_secret), serving)
        bundles = {path: tuple(map(trusted_by, bundles_of(found))) for path, found in configurations.items()}
        roots = authority.roots()
        self._ca_not_after = 0.0 if roots.current is None else roots.current.validity.not_after.timestamp()
        situation = Situation(
            roots,
            serving_in(serving, authority, self._installation.hosts),
            bundles,
            follow,
            self._steady.seen((roots, tuple(bundles.items()), follow), self._clock()),
            what_is_asked(ca_secret, serving_secret),
            foreign=is_foreign(serving_secret, serving),
        )
        return Seen(
            authority, ca_secret, serving_secret, configurations, situation, self._api.server_time() or self._now()
        )

    async def _configurations(self) -> AsyncIterator[tuple[str, RawObject]]:
        """Yield those that are there, and whose `caBundle` is nobody else's to write."""
        for path in self._installation.configurations:
            try:
                found = await self._api.get(path)
            except NotFoundError:
                continue
            if not is_injected(found):
                yield path, found

    async def _replicas_follow(self, stored: bytes) -> bool:
        """Ask every endpoint of the Service. One that is not ready and does not answer is called by nobody."""
        try:
            wanted = read_certificate(stored).fingerprint
        except CertificateError:
            return False
        found = await self._api.get(
            self._installation.endpoint_slices, labelSelector=f"kubernetes.io/service-name={self._installation.name}"
        )
        endpoints = list(endpoints_of(found))
        served = await asyncio.gather(*(self._dial(address, port) for address, port, _ in endpoints))
        return all(
            fingerprint == wanted or (not fingerprint and not ready)
            for fingerprint, (_, _, ready) in zip(served, endpoints, strict=True)
        )

    # Writing

    async def _do(self, action: Action, seen: Seen) -> None:
        if isinstance(action, Publish):
            await self._publish(action.configuration, seen)
        elif action is Step.ISSUE:
            data = issued(seen.authority, self._installation.hosts, seen.now, self._random)
            marks = {OURS: "drawbridge", ASKED: ""}
            await self._write(self._installation.serving_secret, seen.serving_secret, data, marks)
        else:
            authority = staged(action, seen.authority, seen.now, self._random, self._installation.domains)
            marks = {OURS: "drawbridge"}
            if action in (Step.REPLACE_CA, Step.MAKE_NEXT_CA):
                marks[ASKED] = ""
            await self._write(self._installation.ca_secret, seen.ca_secret, content(authority), marks)

    async def _publish(self, path: str, seen: Seen) -> None:
        bundle = seen.authority.bundle()
        problem = bundle_problem(bundle)
        if problem:
            raise GarbledError(f"{path}: not written, because {problem}")
        found = seen.configurations[path]
        encoded = base64.b64encode(bundle).decode()
        operations = [_test("/metadata/resourceVersion", found["metadata"]["resourceVersion"])]
        for index, webhook in enumerate(webhooks_of(found)):
            operations.append(_test(f"/webhooks/{index}/name", webhook["name"]))
            at = f"/webhooks/{index}/clientConfig/caBundle"
            operations.append({"op": "add", "path": at, "value": encoded})
        await self._api.patch(path, operations)

    async def _write(self, path: str, read: RawObject, data: Mapping[str, bytes], marks: Mapping[str, str]) -> None:
        """Replace the data of a Secret, if it is still as it was read; an empty mark is taken away."""
        kept = {**annotations(read), **marks}
        metadata = {**read["metadata"], "annotations": {name: value for name, value in kept.items() if value}}
        encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
        await self._api.update(path, {**read, "metadata": metadata, "data": encoded})


def _test(path: str, value: str) -> dict[str, str]:
    return {"op": "test", "path": path, "value": value}


def _word(action: Action) -> str:
    return "publish" if isinstance(action, Publish) else action.value


def _what(action: Action) -> str:
    return action.configuration if isinstance(action, Publish) else ""

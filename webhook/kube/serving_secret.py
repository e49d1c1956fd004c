"""The serving certificate of a Secret, as files: taken when the Secret changes, without the delay of a mounted one.

The API is asked for this one object by name, which is all that its reader may be granted.
"""

import asyncio
from contextlib import aclosing
from random import Random

from structlog.typing import FilteringBoundLogger

from certs.issue import Pair
from certs.store import SERVING_CERTIFICATE, SERVING_KEY, Directory
from webhook.core.raw import RawObject
from webhook.kube.client import ApiClient, ApiError, GarbledError, UnavailableError
from webhook.kube.installation import secret_data, secret_path, secrets_path
from webhook.kube.reflector import Backoff, Pace

_AGAIN_SECONDS = 0.5


class ServingSecret:
    """Copies `tls.crt` and `tls.key` of a Secret into a directory that is its own."""

    def __init__(self, api: ApiClient, namespace: str, name: str, directory: Directory, log: FilteringBoundLogger):
        self._api = api
        self._namespace = namespace
        self._name = name
        self._directory = directory
        self._log = log
        self._taken: Pair | None = None

    async def first(self, seconds: float) -> bool:
        """Wait that long for a pair; return whether there is one. ApiError where the Secret cannot be read."""
        failed: ApiError | None = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        self._take(await self._api.get(secret_path(self._namespace, self._name)))
                    except UnavailableError as error:
                        failed = error
                    if self._taken is not None:
                        break
                    await asyncio.sleep(_AGAIN_SECONDS)
        except TimeoutError:
            if failed is not None:
                raise failed from None
        return self._taken is not None

    async def follow(self, random: Random, pace: Pace) -> None:
        """Take each change, forever; while the API server does not answer, what was taken last stays."""
        backoff = Backoff(pace.backoff_floor, pace.backoff_ceiling, random)
        while True:
            try:
                await self._watch(pace, backoff)
            except (ApiError, GarbledError) as error:
                self._log.warning("serving-secret", why=str(error))
                await asyncio.sleep(backoff.pause())

    async def _watch(self, pace: Pace, backoff: Backoff) -> None:
        found = await self._api.get(secret_path(self._namespace, self._name))
        self._take(found)
        backoff.reset()
        events = self._api.watch(
            secrets_path(self._namespace),
            str(found["metadata"]["resourceVersion"]),
            lasting_seconds=int(pace.watch),
            silent_seconds=pace.silence,
            fields=f"metadata.name={self._name}",
        )
        async with aclosing(events):
            async for event in events:
                if event.type in ("ADDED", "MODIFIED"):
                    self._take(event.object)

    def _take(self, secret: RawObject) -> None:
        """Write a whole pair that is not there yet; whether it can be served is judged where it is loaded."""
        data = secret_data(secret)
        pair = Pair(data.get(SERVING_CERTIFICATE, b""), data.get(SERVING_KEY, b""))
        if pair.certificate and pair.key and pair != self._taken:
            self._directory.write_serving(pair)
            self._taken = pair

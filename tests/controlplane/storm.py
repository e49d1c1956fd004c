"""Many users who create claims at the same time, and ask again as long as nobody could answer them."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Self

import aiohttp

from tests.controlplane.api import Json, path_of
from tests.controlplane.objects import CLAIMS
from webhook.kube.access import load_access
from webhook.kube.client import AlreadyExistsError, ApiClient, ApiError, GarbledError, NotFoundError, UnavailableError

REQUEST_SECONDS = 6
"""How long the API server may take for one create (`?timeout=`): a claim is stored by then or never."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server said of a claim at last; `refusal` is empty where it is stored.

    `began` and `ended` are monotonic times of the try that was answered, `lost` those of the tries before,
    as far as anybody listened.
    """

    refusal: str
    began: float
    ended: float
    lost: tuple[tuple[float, float], ...] = ()

    @property
    def is_over_quota(self) -> bool:
        """Return whether a quota refused it, Kubernetes' own or one of ours."""
        return "exceeded quota" in self.refusal


class Storm:
    """`async with Storm(kubeconfig, at_once=64, seed=1) as storm:`; no more than that many calls are under way."""

    def __init__(self, kubeconfig: Path, *, at_once: int, seed: int) -> None:
        self._api = ApiClient(load_access(kubeconfig), timeout_seconds=30)
        self._room = asyncio.Semaphore(at_once)
        self.random = Random(seed)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._api.close()

    async def create(self, claim: Json, *, dry_run: bool = False) -> Answer:
        """Create a claim, whose name nobody else uses; again until it is stored or refused."""
        query = {"timeout": f"{REQUEST_SECONDS}s", **({"dryRun": "All"} if dry_run else {})}
        path = path_of(CLAIMS, claim["metadata"]["namespace"])
        lost: list[tuple[float, float]] = []
        while True:
            async with self._room:
                began = time.monotonic()
                refusal = ""
                try:
                    await self._api.create(path, claim, **query)
                except AlreadyExistsError:
                    began = lost[0][0]  # an earlier try of ours was stored, and the answer was lost
                except (UnavailableError, GarbledError) as error:
                    if not isinstance(error.__cause__, aiohttp.ClientConnectorError):
                        lost.append((began, time.monotonic()))
                    await asyncio.sleep(self.random.uniform(0.1, 0.5))
                    continue
                except ApiError as error:
                    refusal = str(error)
                return Answer(refusal, began, time.monotonic(), tuple(lost))

    async def delete(self, claim: Json) -> float:
        """Delete a stored claim and return when that was sure, in monotonic time."""
        path = path_of(CLAIMS, claim["metadata"]["namespace"], claim["metadata"]["name"])
        while True:
            async with self._room:
                try:
                    await self._api.delete(path)
                except NotFoundError:
                    return time.monotonic()  # an earlier try of ours has done it
                except (UnavailableError, GarbledError):
                    await asyncio.sleep(self.random.uniform(0.1, 0.5))
                else:
                    return time.monotonic()


async def create_all(kubeconfig: Path, claims: Iterable[Json], at_once: int) -> tuple[list[Answer], float]:
    """Create the claims, so many at once, and return the answers and how many seconds all took."""
    async with Storm(kubeconfig, at_once=at_once, seed=0) as storm:
        began = time.monotonic()
        answers = await asyncio.gather(*(storm.create(claim) for claim in claims))
        return answers, time.monotonic() - began

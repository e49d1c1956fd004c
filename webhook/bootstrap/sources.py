"""Where the cluster view of a running server comes from: a folder of manifests, or the API server."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import SystemRandom

from webhook.core.claims import Claim
from webhook.core.cluster import ClusterView
from webhook.core.errors import ClusterUnavailableError
from webhook.kube.access import Access
from webhook.kube.claims_kept import SERVING
from webhook.kube.client import ApiClient, ApiError, GarbledError
from webhook.kube.folder import Folder, Reading
from webhook.kube.folder_watch import watch_folder
from webhook.kube.kinds import Kind
from webhook.kube.reflector import Reflector
from webhook.kube.server_truth import ask_gates, ask_version
from webhook.kube.view import Told, ViewBuilder
from webhook.server.log import Log

_ASK_AGAIN_SECONDS = 300.0
_ASK_SOON_SECONDS = 2.0
_LISTED_SECONDS = 30.0
_TELL_AGAIN_SECONDS = 1.0


class FolderSource:
    """The view of a folder, read at start and again whenever its files change.

    `on_reading` is told each reading (contract 5.9), away from the event loop; what it cannot take in, because a disk
    is full, it is told again.
    """

    def __init__(self, folder: Folder, log: Log, on_reading: Callable[[Reading], None]) -> None:
        self._folder = folder
        self._log = log
        self._on_reading = on_reading
        self._has_news = asyncio.Event()
        self._reading = folder.read()
        self._show(self._reading)
        on_reading(self._reading)
        self._untold: tuple[Claim, ...] = ()

    def unready(self) -> str:
        return ""

    async def follow(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(watch_folder(self._folder, self._take))
            group.create_task(self._keep_telling())

    def _show(self, reading: Reading) -> None:
        self.view = reading.view
        for problem in reading.problems:
            self._log.warning("manifest", problem=str(problem))

    def _take(self, reading: Reading) -> None:
        self._show(reading)
        self._untold = (*self._untold, *reading.gone)
        self._reading = replace(reading, gone=self._untold)
        self._has_news.set()

    async def _keep_telling(self) -> None:
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            reading = self._reading
            try:
                await asyncio.to_thread(self._on_reading, reading)
                if self._reading is reading:  # else it is told again, with what has come meanwhile
                    self._untold = ()
            except ClusterUnavailableError as error:
                self._log.warning("folder", why=str(error))
                await asyncio.sleep(_TELL_AGAIN_SECONDS)
                self._has_news.set()


class ApiSource:
    """The view that reflectors keep of the given kinds; ready once every kind has been listed."""

    def __init__(self, api: ApiClient, told: Told, log: Log, kinds: Sequence[Kind] = SERVING) -> None:
        self._api = api
        self._log = log
        self._builder = ViewBuilder(told)
        self._asked = False
        self._is_whole = False
        self.reflectors = tuple(
            Reflector(kind, api, self._builder, clock=time.monotonic, random=SystemRandom(), log=log) for kind in kinds
        )

    @property
    def view(self) -> ClusterView:
        return self._builder.view

    def unready(self) -> str:
        """Return what is missing until the first view is whole; later faults make a view old, never unready."""
        if self._is_whole:
            return ""
        waiting = sorted(reflector.kind.plural for reflector in self.reflectors if not reflector.synced)
        if waiting:
            return f"not listed yet: {', '.join(waiting)}"
        if not self._asked:
            return "the server's version is not known yet"
        self._is_whole = not self._builder.pending
        return "" if self._is_whole else "the first view is not published yet"

    async def whole(self) -> None:
        """Return once a view of everything has been published."""
        published = asyncio.Event()
        self._builder.on_publish(lambda _: published.set())
        while self.unready() or not published.is_set():
            published.clear()
            await published.wait()

    async def follow(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ask())
            for reflector in self.reflectors:
                group.create_task(reflector.run())

    async def _ask(self) -> None:
        """Ask the server for its version and gates, and again from time to time: servers are upgraded."""
        while True:
            try:
                self._builder.told(await ask_version(self._api), await ask_gates(self._api))
                self._asked = True
            except (ApiError, GarbledError) as error:
                self._log.warning("server-version", why=str(error))
                await asyncio.sleep(_ASK_SOON_SECONDS)
            else:
                await asyncio.sleep(_ASK_AGAIN_SECONDS)


async def current_view(access: Access, told: Told, log: Log, kinds: Sequence[Kind]) -> ClusterView:
    """Return the view of a live cluster now; ClusterUnavailableError where it cannot be listed in time."""
    async with ApiClient(access) as api:
        source = ApiSource(api, told, log, kinds)
        following = asyncio.create_task(source.follow())
        try:
            async with asyncio.timeout(_LISTED_SECONDS):
                await source.whole()
        except TimeoutError:
            raise ClusterUnavailableError(f"the cluster could not be read: {source.unready()}") from None
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        return source.view

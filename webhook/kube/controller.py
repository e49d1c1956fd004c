"""The controller: warm caches always; folding and templates while it leads."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from uuid import UUID

from structlog.typing import FilteringBoundLogger

from webhook.core.cluster import ClusterView
from webhook.core.quotas import DeviceQuota
from webhook.kube.claims_seen import STORED_CLAIMS, ClaimsSeen
from webhook.kube.client import ApiClient, ApiError, GarbledError
from webhook.kube.events import Events
from webhook.kube.fold import Folding, FoldPace
from webhook.kube.installation import LEASE
from webhook.kube.kinds import (
    CLUSTER_QUOTAS,
    DEVICE_CLASSES,
    INVENTORIES,
    MAPPINGS,
    NAMESPACES,
    NODES,
    QUOTAS,
    SLICES,
    Kind,
)
from webhook.kube.lease import Election, LeaseName, LeasePace
from webhook.kube.mapping_status import MAPPING_SPECS, MappingStatuses
from webhook.kube.pods_seen import GENERATED_TEMPLATES, PODS, TemplateNeeds
from webhook.kube.policy_status import POLICY_SPECS, PolicyStatuses
from webhook.kube.quota_telling import QuotaTelling
from webhook.kube.reflector import Pace, Reflector, Sink
from webhook.kube.server_truth import ask_gates, ask_version
from webhook.kube.templates import KeepPace, TemplateKeeper
from webhook.kube.view import Told, ViewBuilder

VIEWED = (DEVICE_CLASSES, SLICES, INVENTORIES, NAMESPACES, NODES, QUOTAS, CLUSTER_QUOTAS, MAPPINGS)
_FALLBACK_NAMESPACE = "kube-system"
_ASK_AGAIN_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Paces:
    """How fast each part of the controller works."""

    watching: Pace = field(default_factory=Pace)
    folding: FoldPace = field(default_factory=FoldPace)
    keeping: KeepPace = field(default_factory=KeepPace)
    leading: LeasePace = field(default_factory=LeasePace)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a controller takes from the world; `is_exempt` names the namespaces that admission leaves alone."""

    clock: Callable[[], float]
    now: Callable[[], datetime]
    random: Random
    log: FilteringBoundLogger
    is_exempt: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Figures:
    """What a controller has done since it began; `leading` is 1 while it leads."""

    leading: int = 0
    folds: int = 0
    reservations_ended: int = 0
    drifts: int = 0
    templates_made: int = 0
    templates_collected: int = 0
    templates_underivable: int = 0
    templates_refused: int = 0


class Controller:
    """Run it until it is cancelled; the lease is released then. The lease lies in a namespace that there is."""

    def __init__(self, api: ApiClient, world: Surroundings, *, lease_namespace: str, told: Told, paces: Paces) -> None:
        self._api = api
        self._world = world
        self._lease_namespace = lease_namespace
        self._paces = paces
        folding_awake, keeping_awake = asyncio.Event(), asyncio.Event()
        self._builder = ViewBuilder(told)
        self._builder.on_publish(lambda _: folding_awake.set())
        self._builder.on_publish(lambda _: keeping_awake.set())
        claims = ClaimsSeen(folding_awake.set)
        needs = TemplateNeeds(keeping_awake.set)
        sinks: list[tuple[Kind, Sink]] = [(kind, self._builder) for kind in VIEWED]
        self._mappings = MappingStatuses(api, self._view, world.now, world.log)
        self._policies = PolicyStatuses(api, self._view, world.now, world.log)
        sinks += [(STORED_CLAIMS, claims), (PODS, needs), (GENERATED_TEMPLATES, needs)]
        sinks += [(MAPPING_SPECS, self._mappings), (POLICY_SPECS, self._policies)]
        self.reflectors = tuple(
            Reflector(kind, api, sink, clock=world.clock, random=world.random, log=world.log, pace=paces.watching)
            for kind, sink in sinks
        )
        events = Events(api, world.now, world.log)
        self._telling = QuotaTelling(events, world.now, world.log)
        self._folding = Folding(
            api,
            claims,
            self._view,
            telling=self._telling,
            is_exempt=world.is_exempt,
            clock=world.clock,
            random=world.random,
            log=world.log,
            pace=paces.folding,
            awake=folding_awake,
        )
        self._keeper = TemplateKeeper(
            api,
            needs,
            self._view,
            events,
            clock=world.clock,
            log=world.log,
            pace=paces.keeping,
            awake=keeping_awake,
        )
        self._election: Election | None = None

    def figures(self) -> Figures:
        return Figures(
            leading=int(self._election is not None and self._election.leading),
            folds=self._folding.folds,
            reservations_ended=self._folding.ended,
            drifts=self._telling.drifts,
            templates_made=self._keeper.made,
            templates_collected=self._keeper.collected,
            templates_underivable=self._keeper.underivable,
            templates_refused=self._keeper.refused,
        )

    def quotas(self) -> Iterable[DeviceQuota]:
        """Return the quotas as they were seen last; none of them while another controller may know better."""
        leads = self._election is not None and self._election.leading
        return self._view().quotas.values() if leads else ()

    def unready(self) -> str:
        """Return why nothing can be done yet; empty where it can, be it only to wait for the lease."""
        waiting = sorted(reflector.kind.plural for reflector in self.reflectors if not reflector.synced)
        return f"not listed yet: {', '.join(waiting)}" if waiting else ""

    async def run(self, announce: Callable[[], None]) -> None:
        """Keep the caches, stand for election, do the work while leading; `announce` is called each time it leads."""
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(reflector.run()) for reflector in self.reflectors]
            beside.append(group.create_task(self._ask()))
            try:
                await self._synced()
                self._election = self._candidate()
                await self._election.run(lambda: self._lead(announce))
            finally:
                for task in beside:
                    task.cancel()

    async def _lead(self, announce: Callable[[], None]) -> None:
        announce()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._folding.run())
            group.create_task(self._keeper.run())
            group.create_task(self._mappings.run())
            group.create_task(self._policies.run())

    async def _synced(self) -> None:
        """Return once every kind was listed and is in the published view."""
        published = asyncio.Event()
        self._builder.on_publish(lambda _: published.set())
        while self.unready() or self._builder.pending:
            published.clear()
            try:
                async with asyncio.timeout(0.2):
                    await published.wait()
            except TimeoutError:
                continue

    async def _ask(self) -> None:
        """Ask the server for its version and gates, and again from time to time: servers are upgraded."""
        while True:
            try:
                self._builder.told(await ask_version(self._api), await ask_gates(self._api))
                await asyncio.sleep(_ASK_AGAIN_SECONDS)
            except (ApiError, GarbledError) as error:
                self._world.log.warning("server-version", why=str(error))
                await asyncio.sleep(5)

    def _candidate(self) -> Election:
        namespace = self._lease_namespace
        if namespace not in self._view().namespaces:
            self._world.log.warning("lease", why=f"there is no namespace '{namespace}'", instead=_FALLBACK_NAMESPACE)
            namespace = _FALLBACK_NAMESPACE
        unique = UUID(int=self._world.random.getrandbits(128))
        return Election(
            self._api,
            LeaseName(namespace, LEASE, f"{socket.gethostname()}_{os.getpid()}_{unique}"),
            clock=self._world.clock,
            now=self._world.now,
            random=self._world.random,
            log=self._world.log,
            pace=self._paces.leading,
        )

    def _view(self) -> ClusterView:
        return self._builder.view

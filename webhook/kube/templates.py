"""Keeps the generated templates: makes what live pods need, mends what was deleted, collects what nobody uses.

A template is made only where it is derived from the pod's recorded original and a mapping; nothing that a pod says is
believed (contract 6.4). One that the controller did not make is never touched.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

import msgspec
from structlog.typing import FilteringBoundLogger

from webhook.core.cluster import ClusterView
from webhook.kube.client import (
    AlreadyExistsError,
    ApiClient,
    ApiError,
    ConflictError,
    GarbledError,
    NotFoundError,
    UnavailableError,
    path_of,
)
from webhook.kube.events import About, Events
from webhook.kube.kinds import TEMPLATES
from webhook.kube.pods_seen import MADE_BY, MAKER, NeedyPod, Place, TemplateNeeds
from webhook.rewrite.derive import Derived, derive
from webhook.rewrite.templates import Template, holds

_SLICE_SECONDS = 0.005
_AT_ONCE = 16
_MOST_DERIVED = 4096
_COUNT = f"count/{TEMPLATES.plural}.{TEMPLATES.group}"


@dataclass(frozen=True, slots=True)
class KeepPace:
    """Seconds: how long a template may be unused, how late a mapping may be behind its pods, how often to look.

    `again` is how long a template that was refused is not tried: the pods that need it may be thousands.
    """

    grace: float = 60.0
    patience: float = 3.0
    tick: float = 1.0
    again: float = 3.0


@dataclass(frozen=True, slots=True)
class _Refusal:
    """That a template could not be made, in words for pods; it is not tried before `until`.

    `advice` says what to do; it is empty where the API server only had no answer.
    """

    until: float
    message: str
    advice: str


class TemplateKeeper:
    """Run it as one task while leading; `view` gives the current view with all mappings."""

    def __init__(
        self,
        api: ApiClient,
        needs: TemplateNeeds,
        view: Callable[[], ClusterView],
        events: Events,
        *,
        clock: Callable[[], float],
        log: FilteringBoundLogger,
        pace: KeepPace,
        awake: asyncio.Event,
    ) -> None:
        self._api = api
        self._needs = needs
        self._view = view
        self._events = events
        self._clock = clock
        self._log = log
        self._pace = pace
        self._awake = awake
        self._derived: OrderedDict[tuple[str, bytes], Derived] = OrderedDict()
        self._derived_from: tuple[object, ...] = ()
        self._underivable_since: dict[tuple[str, str], float] = {}
        self._given_up: dict[tuple[str, str], Place] = {}
        self._later: set[Place] = set()
        self._later_at = 0.0
        self._tried_by: tuple[object, ...] = (None, None)
        self._told: set[tuple[str, str]] = set()
        self._unused_since: dict[Place, float] = {}
        self._refusals: dict[Place, _Refusal] = {}
        self.made = 0
        self.collected = 0
        self.underivable = 0
        self.refused = 0

    async def run(self) -> None:
        """Provide and collect until cancelled."""
        self._unused_since.clear()
        self._needs.to_look_at |= self._needs.pods.keys()
        while True:
            self._awake.clear()
            await self._provide_all()
            await self._collect()
            try:
                async with asyncio.timeout(self._pace.tick):
                    await self._awake.wait()
            except TimeoutError:
                continue

    async def _provide_all(self) -> None:
        self._call_back()
        places, self._needs.to_look_at = sorted(self._needs.to_look_at), set()
        await self._make_together(places)
        async for pod in self._in_turns(places):
            if not await self._provide(pod):
                self._later.add(pod.place)

    async def _make_together(self, places: Iterable[Place]) -> None:
        """Make what these pods lack, each template once: a busy API server takes long for each, not for many."""
        missing: dict[Place, tuple[NeedyPod, Template]] = {}
        async for pod in self._in_turns(places):
            for name, template in self._derive(pod).templates.items():
                if (pod.namespace, name) not in self._needs.stored:
                    missing.setdefault((pod.namespace, name), (pod, template))
        room = asyncio.Semaphore(_AT_ONCE)

        async def make(pod: NeedyPod, template: Template) -> None:
            async with room:
                await self._make(pod, template)

        await asyncio.gather(*(make(pod, template) for pod, template in missing.values()))

    async def _in_turns(self, places: Iterable[Place]) -> AsyncIterator[NeedyPod]:
        """Yield the pods that are still there, and let others run in between."""
        began = self._clock()
        for place in places:
            pod = self._needs.pods.get(place)
            if pod is not None:
                yield pod
            if self._clock() - began > _SLICE_SECONDS:
                await asyncio.sleep(0)
                began = self._clock()

    def _call_back(self) -> None:
        """Look again at pods that wait: once a tick, for they may be thousands while each new pod wakes the keeper.

        Where mappings or namespaces have changed, at all of them, and at those whose templates followed from nothing.
        """
        view, now = self._view(), self._clock()
        changed = view.mappings is not self._tried_by[0] or view.namespaces is not self._tried_by[1]
        if changed:
            self._tried_by = (view.mappings, view.namespaces)
            self._needs.to_look_at.update(self._given_up.values())
        if changed or now >= self._later_at:
            self._needs.to_look_at |= self._later
            self._later, self._later_at = set(), now + self._pace.tick

    async def _provide(self, pod: NeedyPod) -> bool:
        """Make what the pod lacks; False where that must be tried again."""
        missing = [name for name in pod.templates if (pod.namespace, name) not in self._needs.stored]
        derived = self._derive(pod)
        done = True
        for name, template in derived.templates.items():
            if name in missing:
                done = await self._make(pod, template) and done
            elif not holds({"spec": self._needs.stored[pod.namespace, name].spec}, template):
                await self._squatted(pod, name)
        for name in derived.underivable:
            if name in missing:
                done = await self._underivable(pod, name) and done
        return done

    def _derive(self, pod: NeedyPod) -> Derived:
        """Return what the pod's templates must be; pods of one workload share the answer while nothing changes."""
        view = self._view()
        sources = (view.mappings, view.namespaces, view.device_classes, view.slices, view.inventories, view.server)
        if len(sources) != len(self._derived_from) or any(
            one is not other for one, other in zip(sources, self._derived_from, strict=True)
        ):
            self._derived.clear()
            self._derived_from = sources
        key = (pod.namespace, pod.content)
        found = self._derived.get(key)
        if found is None:
            found = derive(msgspec.json.decode(pod.content), pod.namespace, view)
            self._derived[key] = found
            if len(self._derived) > _MOST_DERIVED:
                self._derived.popitem(last=False)
        return found

    async def _make(self, pod: NeedyPod, template: Template) -> bool:
        place = pod.namespace, template.name
        refusal = self._refusals.get(place)
        if refusal is not None and self._clock() < refusal.until:
            return await self._refused(pod, refusal)
        manifest = template.manifest(pod.namespace)
        manifest["metadata"] = {**manifest["metadata"], "annotations": {MADE_BY: MAKER}}
        try:
            stored = await self._api.create(path_of(TEMPLATES, pod.namespace), manifest)
        except AlreadyExistsError:
            return await self._is_as_made(pod, template)
        except NotFoundError:
            return True  # the namespace is gone, and its pods go with it
        except (UnavailableError, GarbledError) as error:
            self._log.warning("template not made", template=template.name, namespace=pod.namespace, why=str(error))
            self._refusals[place] = _Refusal(self._clock() + self._pace.tick, str(error), "")
            return False
        except ApiError as error:
            self.refused += 1
            message = f"claim template '{template.name}' could not be created: {error}"
            self._refusals[place] = _Refusal(self._clock() + self._pace.again, message, _advice(error))
            return await self._refused(pod, self._refusals[place])
        self._needs.made(stored)
        self.made += 1
        self._log.info("template made", template=template.name, namespace=pod.namespace, pod=pod.name)
        return True

    async def _refused(self, pod: NeedyPod, refusal: _Refusal) -> bool:
        """Tell the pod what to do, once, for the API server's own words change with every number in them."""
        if refusal.advice and (pod.uid, refusal.advice) not in self._told:
            self._told.add((pod.uid, refusal.advice))
            await self._events.warn(_about(pod), "TemplateNotCreated", f"{refusal.message}; {refusal.advice}")
        return False

    async def _is_as_made(self, pod: NeedyPod, template: Template) -> bool:
        try:
            stored = await self._api.get(path_of(TEMPLATES, pod.namespace, template.name))
        except (ApiError, GarbledError):
            return False
        if not holds(stored, template):
            await self._squatted(pod, template.name)
        return True

    async def _underivable(self, pod: NeedyPod, name: str) -> bool:
        """Tell the pod once patience is over; until then its mapping may only be late."""
        now, key = self._clock(), (pod.uid, name)
        if key in self._given_up:
            return True
        since = self._underivable_since.setdefault(key, now)
        if now < since + self._pace.patience:
            return False
        del self._underivable_since[key]
        self._given_up[key] = pod.place
        self.underivable += 1
        message = (
            f"claim template '{name}' does not follow from what the pod asked for by any LegacyMapping here;"
            " remove the reference, or create the pod again from its original manifest"
        )
        await self._events.warn(_about(pod), "TemplateNotDerivable", message)
        return True

    async def _squatted(self, pod: NeedyPod, name: str) -> None:
        message = (
            f"claim template '{name}' says something else than what the pod asked for, and was not made by Drawbridge;"
            f" delete it, and it is made again: kubectl delete resourceclaimtemplate {name}"
        )
        await self._events.warn(_about(pod), "TemplateDiffers", message)

    async def _collect(self) -> None:
        """Delete what the controller made and no live pod has referred to for the whole grace."""
        now = self._clock()
        unused = {
            place for place, stored in self._needs.stored.items() if stored.made_here and not self._needs.users(place)
        }
        self._unused_since = {place: self._unused_since.get(place, now) for place in unused}
        for place, since in tuple(self._unused_since.items()):
            if now >= since + self._pace.grace and not self._needs.users(place):
                await self._delete(place)
        self._refusals = {place: refusal for place, refusal in self._refusals.items() if self._needs.users(place)}
        if self._underivable_since or self._given_up or self._told:
            alive = {pod.uid for pod in self._needs.pods.values()}
            self._underivable_since = {key: at for key, at in self._underivable_since.items() if key[0] in alive}
            self._given_up = {key: place for key, place in self._given_up.items() if key[0] in alive}
            self._told = {key for key in self._told if key[0] in alive}

    async def _delete(self, place: Place) -> None:
        stored = self._needs.stored.get(place)
        if stored is None:
            return
        try:
            await self._api.delete(path_of(TEMPLATES, *place), uid=stored.uid)
        except (NotFoundError, ConflictError):
            return  # it is gone, or was made anew
        except (ApiError, GarbledError) as error:
            self._log.warning("template not collected", template=place[1], namespace=place[0], why=str(error))
            return
        self.collected += 1
        self._log.info("template collected", template=place[1], namespace=place[0])


def _about(pod: NeedyPod) -> About:
    return About("Pod", pod.namespace, pod.name, pod.uid)


def _advice(error: ApiError) -> str:
    if "exceeded quota" in str(error):
        return f"raise `{_COUNT}` in the ResourceQuota, a template serves all pods that ask the same"
    if error.status in (401, 403):
        return "give the controller's service account the right to create resourceclaimtemplates"
    return "see the controller's log"

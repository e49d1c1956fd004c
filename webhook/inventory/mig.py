"""MIG: which profiles selectors leave to a request, and whether profiles fit on one GPU together.

Source: NVIDIA Multi-Instance GPU user guide (profiles, compute and memory slices, placements), as the catalogue has it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

from webhook.cel.contradiction import Logic
from webhook.cel.syntax import Expr
from webhook.core.cache import BoundedCache
from webhook.core.catalogue import Model, Profile
from webhook.core.cluster import ClusterView
from webhook.inventory.case import Case, compiled_new
from webhook.inventory.knowledge import knowledge_of

PROFILE = "profile"
PARENT = "parentUUID"
_PRODUCT = "productName"
_MOST_CHARACTERS = 50_000  # of source


@dataclass(frozen=True, slots=True)
class Geometry:
    """How the GPUs of a driver divide: `models` that the catalogue knows, and `here` those of them that are published.

    `all_known`: some are published, and the catalogue knows each. `published` are the profiles of devices known now.
    """

    driver: str
    models: tuple[Model, ...]
    here: tuple[Model, ...]
    all_known: bool
    published: frozenset[str]

    @property
    def offered(self) -> tuple[str, ...]:
        """Return every profile that some model offers."""
        return profiles_of(self.models)

    @property
    def usable(self) -> tuple[str, ...]:
        """Return the profiles that are published or that a published model offers."""
        return tuple(dict.fromkeys((*sorted(self.published), *profiles_of(self.here))))


def profiles_of(models: Iterable[Model]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(profile.name for model in models for profile in model.profiles))


def geometry_of(view: ClusterView, driver: str) -> Geometry | None:
    """Return how GPUs of the driver divide; None for a driver of which the catalogue knows no partitions."""
    knowledge = knowledge_of(view)
    pack = knowledge.pack(driver)
    models = tuple(model for model in pack.models if model.profiles) if pack else ()
    if not models:
        return None
    known = knowledge.domain(driver)
    live = known.live.attributes if known is not None and known.live is not None else {}
    products = {value for value in live[_PRODUCT].values if isinstance(value, str)} if _PRODUCT in live else set()
    here = tuple(model for model in models if not products.isdisjoint(model.products))
    published = (value for value in live[PROFILE].values if isinstance(value, str)) if PROFILE in live else ()
    named = {product for model in models for product in model.products}
    return Geometry(driver, models, here, bool(products) and products <= named, frozenset(published))


def allowing(case: Case, driver: str, roots: Sequence[Expr], profiles: Iterable[str]) -> Iterator[str]:
    """Yield the profiles that a device may have which all the selectors accept, as far as there is time."""
    logic = Logic(case.view.server.version, frozenset(map(id, roots)))
    for profile in profiles:
        if case.expired():
            return
        equal = compiled_new(f"device.attributes['{driver}'].{PROFILE} == '{profile}'", case.view.server).ast
        if equal is None or logic.can_hold((*roots, equal.root)):
            yield profile


_ALLOWED: BoundedCache[tuple[str, str, tuple[str, ...], tuple[str, ...]], frozenset[str]] = BoundedCache(
    _MOST_CHARACTERS
)


def allowed(case: Case, geometry: Geometry, texts: tuple[str, ...]) -> frozenset[str]:
    """Return the profiles of known models that all the selectors accept; what was found is remembered."""
    key = (case.view.server.version, geometry.driver, geometry.offered, texts)
    known = _ALLOWED.known(key)
    if known is not None:
        return known
    asts = (compiled_new(text, case.view.server).ast for text in texts)
    found = frozenset(allowing(case, geometry.driver, [ast.root for ast in asts if ast is not None], geometry.offered))
    return found if case.expired() else _ALLOWED.get(key, 1 + sum(map(len, texts)), lambda: found)


@dataclass(frozen=True, slots=True)
class Want:
    """So many partitions, each of one of some profiles."""

    profiles: frozenset[str]
    count: int


_Occupied = tuple[int, int, tuple[tuple[str, int], ...]]
"""What of a GPU is taken: memory slices as bits, compute slices, and how many of each profile that must be counted."""


def fits(model: Model, wants: Sequence[Sequence[Want]]) -> bool:
    """Return whether one GPU of the model can hold one of the ways of each request at once."""
    if sum(min(way.count for way in ways) for ways in wants) > _most_partitions(model):
        return False
    states: frozenset[_Occupied] = frozenset({(0, 0, ())})
    for ways in wants:
        states = frozenset(state for way in ways for state in _with_all(model, states, way))
        if not states:
            return False
    return True


def _most_partitions(model: Model) -> int:
    return max(model.slices, model.memory_slices, 1)


def _with_all(model: Model, states: frozenset[_Occupied], want: Want) -> frozenset[_Occupied]:
    if want.count > _most_partitions(model):
        return frozenset()
    offered = tuple(profile for profile in model.profiles if profile.name in want.profiles)
    return reduce(lambda found, _: _with_one(model, found, offered), range(want.count), states)


def _with_one(model: Model, states: frozenset[_Occupied], offered: Sequence[Profile]) -> frozenset[_Occupied]:
    return frozenset(after for state in states for profile in offered for after in _placed(model, state, profile))


def _placed(model: Model, state: _Occupied, profile: Profile) -> Iterator[_Occupied]:
    """Yield what is taken once the partition is there too; where placements are not documented slices alone count."""
    memory, slices, taken = state
    if model.slices and slices + profile.slices > model.slices:
        return
    if _is_counted(profile):
        held = dict(taken)
        held[profile.name] = held.get(profile.name, 0) + 1
        if held[profile.name] > profile.most:
            return
        taken = tuple(sorted(held.items()))
    if not profile.starts or not profile.width:
        yield memory, slices + profile.slices, taken
    for start in profile.starts if profile.width else ():
        bits = (1 << profile.width) - 1 << start
        if not memory & bits and (not model.memory_slices or start + profile.width <= model.memory_slices):
            yield memory | bits, slices + profile.slices, taken


def _is_counted(profile: Profile) -> bool:
    """Return whether its number is limited by more than its places; to count all would multiply what is looked at."""
    places = len(profile.starts) if profile.width else profile.most + 1
    return 0 < profile.most < places

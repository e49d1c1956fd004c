"""The policies in use: compiled, found by what they look at, and never replaced by a version that does not work."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

from webhook.core.cluster import ClusterView
from webhook.core.finding import Finding
from webhook.core.policies import ClaimPolicy, PolicyResource
from webhook.policy.compile import CompiledPolicy, compile_policy
from webhook.policy.judge import matching

Labels = Mapping[str, str]
GENERATIONS: Final = "policy-generations"
_MOST_PLACES = 10_000
_MOST_TOLD = 1_000


@dataclass(frozen=True, eq=False)
class Shelf:
    """The policies of one moment, in the order of their names.

    `broken` are the flaws of policies whose newest version does not work, by name; `kept` those of them of which an
    earlier version goes on. `generations` count the changes of the specs in use, by name, where the API server counts
    them. Which policies concern a place is found out once.
    """

    policies: tuple[CompiledPolicy, ...] = ()
    broken: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()
    generations: Mapping[str, int] = field(default_factory=dict)
    _places: dict[tuple[PolicyResource, str], tuple[Labels | None, tuple[CompiledPolicy, ...]]] = field(
        default_factory=dict, repr=False
    )

    def concerning(self, resource: PolicyResource, namespace: str, labels: Labels | None) -> tuple[CompiledPolicy, ...]:
        """Return the policies that look at a resource in a namespace, which has these labels; None is no namespace."""
        known = self._places.get((resource, namespace))
        if known is not None and (known[0] is labels or known[0] == labels):
            return known[1]
        found = matching(self.policies, resource, labels)
        if len(self._places) >= _MOST_PLACES:
            self._places.clear()
        self._places[resource, namespace] = labels, found
        return found

    def generations_told(self, names: Iterable[str]) -> Mapping[str, str]:
        """Return the audit annotation that tells the generations of these policies; none where nobody counts them."""
        seen = sorted({name for name in names if name in self.generations})
        told = [f"{name}={self.generations[name]}" for name in seen]
        most = _most_of(told)
        more = [f"and {len(told) - most} more"] if most < len(told) else []
        return {GENERATIONS: ", ".join([*told[:most], *more])} if told else {}


def _most_of(told: Sequence[str]) -> int:
    """Return how many entries an annotation has room for."""
    lengths = accumulate(len(entry) + len(", ") for entry in told)
    return sum(length <= _MOST_TOLD for length in lengths)


@dataclass(frozen=True, slots=True)
class _Page:
    """The shelf of some policies for a version of Kubernetes, and all that the next one may take over."""

    policies: Mapping[str, ClaimPolicy] | None = None
    version: str = ""
    newest: Mapping[str, CompiledPolicy] = field(default_factory=dict)
    working: Mapping[str, CompiledPolicy] = field(default_factory=dict)
    shelf: Shelf = field(default_factory=Shelf)

    def compiled(self, policy: ClaimPolicy, version: str) -> CompiledPolicy:
        known = self.newest.get(policy.name)
        if known is not None and known.policy is policy and self.version == version:
            return known
        return compile_policy(policy, version)


class PolicyBook:
    """Makes the shelf of a view; what has not changed is taken over from the one before. Threads may share it."""

    def __init__(self) -> None:
        self._page = _Page()

    @property
    def shelf(self) -> Shelf:
        return self._page.shelf

    def of(self, view: ClusterView) -> Shelf:
        """Return the policies of the view; a new version with flaws leaves the last one that worked in use."""
        before, version = self._page, view.server.version
        if before.policies is view.policies and before.version == version:
            return before.shelf
        newest = {name: before.compiled(policy, version) for name, policy in view.policies.items()}
        working = {
            name: one if one.works else before.working[name]
            for name, one in newest.items()
            if one.works or name in before.working
        }
        broken = {name: one.flaws for name, one in newest.items() if not one.works}
        used = {**newest, **working}
        in_order = tuple(used[name] for name in sorted(used))
        generations = {one.policy.name: one.policy.generation for one in in_order if one.policy.generation}
        shelf = Shelf(in_order, broken, frozenset(broken.keys() & working.keys()), generations)
        self._page = _Page(view.policies, version, newest, working, shelf)
        return shelf

"""The controller's copy of all claims: those stored, how far it has come, and the uids that it saw go."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from webhook.core.claims import Claim
from webhook.core.errors import ClusterUnavailableError
from webhook.kube.batches import in_batches
from webhook.kube.claims_kept import KEPT_CLAIMS
from webhook.kube.kinds import Key, Kind

_MOST_GONE = 100_000
"""How many deleted uids are remembered: only those matter that still have an open reservation."""

STORED_CLAIMS = replace(KEPT_CLAIMS, field="")
"""Claims as the controller watches them, beside its view."""


class ClaimsSeen:
    """A sink for the reflector of claims.

    `changed_in` collects the namespaces whose claims have changed until somebody takes them; `on_change` is told.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.version = 0
        self.changed_in: set[str] = set()
        self._on_change = on_change
        self._claims: dict[str, dict[str, Claim]] = {}
        self._gone: dict[str, None] = {}

    async def replaced(self, kind: Kind, objects: Mapping[Key, object], resource_version: str) -> None:  # noqa: ARG002
        """Take over a whole list; until it is sorted in, all stays as it was.

        A server that does not serve claims gives a list without resource version: nothing follows from it.
        """
        if not resource_version:
            return
        before: dict[str, Claim] = {}
        async for batch in in_batches(self._all()):
            before.update((claim.metadata.uid, claim) for claim in batch)
        claims: dict[str, dict[str, Claim]] = {}
        async for values in in_batches(objects.values()):
            for claim in map(_claim, values):
                known = before.pop(claim.metadata.uid, None)
                of_namespace = claims.setdefault(claim.metadata.namespace, {})
                of_namespace[claim.metadata.name] = known if known == claim else claim
        self.changed_in |= self._claims.keys() | claims.keys()
        self._claims = claims
        self._forget(before)
        self._reached(resource_version)

    def changed(self, kind: Kind, key: Key, value: object | None, resource_version: str) -> None:  # noqa: ARG002
        assert isinstance(key, tuple)
        namespace, name = key
        known = self._claims.get(namespace, {}).get(name)
        if value is None or known != value:
            self._change(namespace, name, known, None if value is None else _claim(value))
            self.changed_in.add(namespace)
        self._reached(resource_version)

    def progressed(self, kind: Kind, resource_version: str) -> None:  # noqa: ARG002
        self.version = _number(resource_version)

    def count(self, kind: Kind) -> int:  # noqa: ARG002
        return sum(map(len, self._claims.values()))

    def namespaces(self) -> Iterable[str]:
        return self._claims.keys()

    def of(self, namespace: str) -> Iterable[Claim]:
        return self._claims.get(namespace, {}).values()

    def is_gone(self, uid: str) -> bool:
        """Return whether the claim of this uid was seen deleted: no claim ever has it again."""
        return uid in self._gone

    def _change(self, namespace: str, name: str, known: Claim | None, claim: Claim | None) -> None:
        if known is not None and (claim is None or claim.metadata.uid != known.metadata.uid):
            self._forget([known.metadata.uid])
        if claim is not None:
            self._put(claim)
        elif known is not None:
            left = self._claims[namespace]
            del left[name]
            if not left:
                del self._claims[namespace]

    def _put(self, claim: Claim) -> None:
        self._claims.setdefault(claim.metadata.namespace, {})[claim.metadata.name] = claim

    def _all(self) -> Iterator[Claim]:
        for claims in self._claims.values():
            yield from claims.values()

    def _forget(self, uids: Iterable[str]) -> None:
        self._gone.update(dict.fromkeys(uids))
        while len(self._gone) > _MOST_GONE:
            del self._gone[next(iter(self._gone))]

    def _reached(self, resource_version: str) -> None:
        self.version = _number(resource_version)
        self._on_change()


def _claim(value: object) -> Claim:
    assert isinstance(value, Claim)
    return value


def _number(resource_version: str) -> int:
    """Return a resource version as the number that it is (KEP-5504); which of two is newer is all that is asked."""
    if not resource_version.isdecimal():
        raise ClusterUnavailableError(f"the API server's resource version '{resource_version}' is no number")
    return int(resource_version)

"""Events on pods whose claim was refused when the claim controller made it from a template.

The pod waits, and its author asks it why. Events are bounded, so that a storm of denials fills no etcd: by one replica
each pod is told the same thing once an hour, and all pods together are told twenty things a minute.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from webhook.core.claims import CLAIM, parse_metadata
from webhook.core.decision import Deny
from webhook.core.finding import Finding, Severity
from webhook.core.raw import Reader
from webhook.core.render import printable
from webhook.core.review import Review
from webhook.kube.events import About, Events

REASON = "ClaimDenied"
_A_MINUTE = 20
_AGAIN_SECONDS = 3600.0  # after this an Event has expired
_MOST_REMEMBERED = 10_000
CLAIM_CONTROLLERS = frozenset(
    {"system:serviceaccount:kube-system:resource-claim-controller", "system:kube-controller-manager"}
)
"""Who makes claims from templates, with and without an account for each controller; nobody else names a pod here."""


@dataclass(frozen=True, slots=True)
class Telling:
    """An Event that is to be written."""

    about: About
    message: str


class PodTelling:
    """Takes denials as they are given, which costs no time and never waits, and writes Events beside the server."""

    def __init__(self, events: Events, clock: Callable[[], float], count: Callable[[str], None]) -> None:
        self._events = events
        self._clock = clock
        self._count = count
        self._tokens = float(_A_MINUTE)
        self._refilled = clock()
        self._told: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._waiting: asyncio.Queue[Telling] = asyncio.Queue()

    def refused(self, review: Review, decision: Deny) -> None:
        """Note a denial; what is no generated claim, only a dry run, or too much is not told."""
        telling = telling_of(review, decision)
        if telling is None:
            return
        key = (telling.about.uid, _rules(decision))
        now = self._clock()
        if now - self._told.get(key, float("-inf")) < _AGAIN_SECONDS:
            return
        if not self._may_tell(now):
            self._count("held-back")
            return
        self._told[key] = now
        self._told.move_to_end(key)
        if len(self._told) > _MOST_REMEMBERED:
            self._told.popitem(last=False)
        self._waiting.put_nowait(telling)

    def _may_tell(self, now: float) -> bool:
        """Take a token of the bucket if there is one; it bounds the queue too."""
        self._tokens = min(float(_A_MINUTE), self._tokens + (now - self._refilled) * _A_MINUTE / 60)
        self._refilled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    async def run(self) -> None:
        """Write what was noted, one after the other."""
        while True:
            telling = await self._waiting.get()
            if await self._events.warn(telling.about, REASON, telling.message, quotes_users=True):
                self._count("written")


def telling_of(review: Review, decision: Deny) -> Telling | None:
    """Return what the pod, or pod group, of a claim that was made from its template is told; None for other reviews."""
    if review.dry_run or review.username not in CLAIM_CONTROLLERS or review.kind.name != CLAIM or not review.object:
        return None
    metadata = parse_metadata(review.object, Reader())
    owner = metadata.controller()
    if owner is None:
        return None
    about = About(owner.kind, review.namespace, owner.name, owner.uid, owner.api_version)
    pod_claim = (metadata.annotations or {}).get("resource.kubernetes.io/pod-claim-name", "")
    return Telling(about, message_of(pod_claim, decision))


def message_of(pod_claim: str, decision: Deny) -> str:
    """Return one line: which claim, why, what mends it, and how many more reasons there are."""
    first, *others = (finding for finding in decision.findings if finding.severity is Severity.DENY)
    more = f"; and {len(others)} more" if others else ""
    return f"claim '{printable(pod_claim)}' is refused: {_line(first)}{more}"


def _line(finding: Finding) -> str:
    path = str(finding.path)
    head = f"{path}: " if path else ""
    fix = f"; {finding.fixes[0].message}" if finding.fixes else ""
    return printable(f"{head}{finding.message}{fix} [{finding.rule}]")


def _rules(decision: Deny) -> str:
    return ",".join(sorted({finding.rule for finding in decision.findings if finding.severity is Severity.DENY}))

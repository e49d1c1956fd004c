"""What to do next with the certificates of an installation in a cluster: a pure decision on what is seen there.

A CA is replaced in stages, so that nobody who trusts what is published meets a certificate that they cannot verify:

1. the next CA is made and stored; it signs nothing yet,
2. every webhook configuration trusts both,
3. once that has held for `settle`, the next CA becomes the one that signs, and signs a serving certificate,
4. once every replica has served that one for `settle`, the old CA is dropped from the configurations.

Each action is one write, and the next decision rests on what is seen after it: a crash between two loses nothing.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from certs.plan import CA_LIFE, LOOKAHEAD, Validity

CA_LOOKAHEAD = CA_LIFE / 3
"""A CA is replaced at two thirds of its life."""


class Asked(Enum):
    """What somebody has asked for by `drawbridge certs rotate`; the value is that of the annotation."""

    NOTHING = ""
    SERVING = "serving"
    CA = "ca"
    CA_NOW = "ca-now"
    """The CA's key is known to others: it must not be trusted a moment longer, whatever calls fail meanwhile."""


class Step(Enum):
    """A write that concerns one of the two Secrets."""

    REPLACE_CA = "replace-ca"
    """A new CA signs from now on, and no other is trusted."""
    MAKE_NEXT_CA = "make-next-ca"
    SIGN_WITH_NEXT_CA = "sign-with-next-ca"
    DROP_OLD_CA = "drop-old-ca"
    ISSUE = "issue"
    """A new serving certificate from the CA that signs."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Write the trusted CAs as the `caBundle` of every webhook of a configuration."""

    configuration: str


Action = Step | Publish


@dataclass(frozen=True, slots=True)
class Root:
    """A CA certificate; `can_sign` is True where its key is there and fits."""

    fingerprint: str
    validity: Validity
    can_sign: bool


@dataclass(frozen=True, slots=True)
class Serving:
    """The serving certificate that is stored with its key; `issuer` is the CA's fingerprint, empty for none of ours.

    `covers` is True where it holds every name that is wanted.
    """

    issuer: str
    validity: Validity
    covers: bool


@dataclass(frozen=True, slots=True)
class Roots:
    """The CA that signs, the one that will, and those that did and are still trusted."""

    current: Root | None = None
    next: Root | None = None
    retired: tuple[Root, ...] = ()

    @property
    def trusted(self) -> tuple[str, ...]:
        """Return the fingerprints of what is to be published, the oldest first."""
        return tuple(root.fingerprint for root in (*self.retired, self.current, self.next) if root is not None)


@dataclass(frozen=True, slots=True)
class Situation:
    """What is seen of an installation.

    `bundles` has, for each webhook configuration that is there and ours to write, the CAs that each of its webhooks
    trusts. `replicas_follow` is True where every replica that can be asked presents the stored serving certificate.
    `settled` is for how long CAs, bundles and replicas have been seen as they are now.
    `foreign` is True where somebody else provides the certificate (cert-manager, or an operator): nothing is written.
    """

    roots: Roots
    serving: Serving | None
    bundles: Mapping[str, tuple[frozenset[str], ...]]
    replicas_follow: bool
    settled: timedelta
    asked: Asked = Asked.NOTHING
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class Pace:
    """How long before its end a certificate is renewed, and how long a stage lasts at least.

    `settle` exceeds what API servers need to take a changed configuration and replicas to take a changed Secret
    (90 s where the kubelet mounts it).
    """

    serving_ahead: timedelta = LOOKAHEAD
    ca_ahead: timedelta = CA_LOOKAHEAD
    settle: timedelta = timedelta(seconds=120)


class Steady:
    """For how long something has been seen unchanged, on a monotonic clock: no step of a wall clock shortens a wait.

    It forgets with its process, which then waits anew.
    """

    def __init__(self) -> None:
        self._seen: Hashable = None
        self._since = float("-inf")

    def seen(self, what: Hashable, clock: float) -> timedelta:
        if what != self._seen:
            self._seen, self._since = what, clock
        return timedelta(seconds=clock - self._since)


def plan(situation: Situation, now: datetime, pace: Pace = Pace()) -> tuple[Action, ...]:
    """Return what to write now, in this order; nothing where all is well or where a stage has to last.

    `now` must be the time of who verifies, the API server: a certificate that begins in its future is none.
    """
    roots, serving = situation.roots, situation.serving
    current = roots.current
    if situation.foreign:
        return ()
    if situation.asked is Asked.CA_NOW:
        return (Step.REPLACE_CA,)
    if current is None or now >= current.validity.not_after:
        usable = roots.next is not None and roots.next.validity.lasts(now, timedelta(0))
        return (Step.SIGN_WITH_NEXT_CA if usable else Step.REPLACE_CA,)
    actions: list[Action] = [
        Publish(name)
        for name, bundles in situation.bundles.items()
        if any(bundle != frozenset(roots.trusted) for bundle in bundles)
    ]
    if current.can_sign and _must_be_issued(situation, current, now, pace):
        actions.append(Step.ISSUE)
    if actions:
        return tuple(actions)
    if situation.settled < pace.settle:
        return ()
    if roots.next is not None:
        return (Step.SIGN_WITH_NEXT_CA,)
    if roots.retired:
        follow = serving is not None and serving.issuer == current.fingerprint and situation.replicas_follow
        gone = all(now >= root.validity.not_after for root in roots.retired)
        return (Step.DROP_OLD_CA,) if follow or gone else ()
    due = situation.asked is Asked.CA or not current.can_sign or not current.validity.lasts(now, pace.ca_ahead)
    return (Step.MAKE_NEXT_CA,) if due else ()


def _must_be_issued(situation: Situation, current: Root, now: datetime, pace: Pace) -> bool:
    serving = situation.serving
    if serving is None or not serving.covers or serving.issuer != current.fingerprint:
        return True
    if situation.asked is Asked.SERVING:
        return True
    gains = serving.validity.not_after < current.validity.not_after
    return gains and not serving.validity.lasts(now, pace.serving_ahead)

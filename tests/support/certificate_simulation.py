"""A year of an installation's certificates: two controllers, replicas and API servers that lag, and chosen faults.

The controllers decide by `certs.rotation.plan`; what they write is numbers in place of keys. Whenever anything has
changed, and before time goes on, each API server asks each replica by the `caBundle` that it knows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from random import Random
from typing import Any, Generic, TypeVar

from certs.plan import CA_LIFE, SERVING_LIFE, Validity
from certs.rotation import Action, Asked, Publish, Root, Roots, Serving, Situation, Steady, Step, plan

BEGIN = datetime(2026, 11, 21, tzinfo=UTC)
DAY = 86400.0
YEAR = 365 * DAY
LAG_SECONDS = 90.0
"""What a mounted Secret, or a configuration's way to an API server, takes at most."""
_BACKDATED = timedelta(hours=1)
_SKEW_SECONDS = 1200.0
T = TypeVar("T")


class Fault(Enum):
    """What happens to a controller at one of its writes; the clock's step is seen from then on."""

    NONE = "none"
    CRASH_BEFORE = "crash before the write"
    CRASH_AFTER = "crash after the write"
    LOST = "the write is lost"
    UNHEARD = "the write is done, its answer lost"
    LATE = "ten minutes between seeing and writing"
    LATE_BETWEEN_READS = "ten minutes between one read and the next"
    CLOCK = "the controller's clock steps by up to a month"
    SERVER_CLOCK = "an API server's clock steps by up to 20 minutes"
    REPLICA = "a replica is started anew"
    DEAF = "a replica hears nothing for an hour"
    MORE = "there is one more replica"
    OUTAGE = "no controller runs for five days, but not twice in a month"


class Blind(Enum):
    """What a controller of a worse make does not see, to show that the simulation does."""

    NOTHING = "nothing"
    TIME_TO_SETTLE = "that a stage has to last"
    CONFIGURATIONS = "what configurations trust"
    REPLICAS = "what replicas serve"
    SERVER_TIME = "the time of the API server"
    ORDER = "that the CAs must be read last"
    VERSIONS = "that somebody else has written"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A serving certificate; 0 is the first of all."""

    number: int
    issuer: str
    validity: Validity


@dataclass(slots=True)
class Lagging(Generic[T]):
    """A copy that follows what is stored after a while."""

    value: T
    coming: list[tuple[float, T]] = field(default_factory=list)
    deaf_until: float = 0.0

    def follow(self, now: float) -> None:
        while self.coming and self.coming[0][0] <= now:
            self.value = self.coming.pop(0)[1]

    def send(self, when: float, value: T) -> None:
        """A later value never overtakes an earlier one."""
        self.coming.append((max(when, self.deaf_until, *(at for at, _ in self.coming[-1:])), value))


@dataclass(slots=True)
class Stored(Generic[T]):
    """An object of the API: who writes it names the version that he has read."""

    value: T
    version: int = 0


@dataclass(slots=True)
class Controller:
    """One of two; both act, as they do while neither knows of the other. `cycle` waits until `wakes`."""

    wakes: float
    cycle: Iterator[float] = field(default_factory=lambda: iter(()))
    clock_off: float = 0.0
    steady: Steady = field(default_factory=Steady)


class UnverifiedError(AssertionError):
    """A client has met a certificate that it cannot verify."""


class World:
    """Run it once."""

    def __init__(
        self, seed: int, faults: Sequence[Fault], asks: Sequence[tuple[float, Asked]], blind: Blind = Blind.NOTHING
    ) -> None:
        self._random = Random(seed)
        self._faults = list(reversed(faults))
        self._asks = sorted(asks, key=lambda ask: -ask[0])
        self._blind = blind
        self._made = 0
        self._outage = -YEAR
        self._acted = False
        self._validities: dict[str, Validity] = {}
        self.done: list[Action] = []
        self.now = 0.0
        roots = Roots(self._root(BEGIN - CA_LIFE * self._random.uniform(0, 0.6)))
        assert roots.current is not None
        self.leaf = Stored(
            (Leaf(0, roots.current.fingerprint, Validity(BEGIN - _BACKDATED, BEGIN + SERVING_LIFE)), False)
        )
        self.roots = Stored((roots, Asked.NOTHING))
        self.bundles = {name: Stored(frozenset(roots.trusted)) for name in ("mutating", "validating")}
        self.servers = [{name: Lagging(stored.value) for name, stored in self.bundles.items()} for _ in range(2)]
        self.skews = [0.0, 0.0]
        self.replicas = [Lagging(self.leaf.value[0]) for _ in range(3)]
        self.controllers = [Controller(0.0), Controller(5.0)]

    def run(self) -> None:
        """Let a year pass; UnverifiedError as soon as a client would refuse."""
        while self.now < YEAR:
            controller = min(self.controllers, key=lambda each: each.wakes)
            self._pass_until(controller.wakes)
            self._ask()
            wakes = next(controller.cycle, None)
            if wakes is None:
                controller.cycle = self._cycle(controller)
                wakes = self.now + self._random.uniform(*((10, 40) if self._is_busy() else (0.1 * DAY, 2 * DAY)))
            controller.wakes = max(wakes, controller.wakes)

    def _is_busy(self) -> bool:
        """A controller always looks each few seconds; where nothing is to be seen the simulation spares the looks."""
        acted, self._acted = self._acted, False
        return acted or self._is_rotating()

    def _is_rotating(self) -> bool:
        roots, asked = self.roots.value
        return bool(roots.next or roots.retired or asked is not Asked.NOTHING)

    def _ask(self) -> None:
        while self._asks and self._asks[-1][0] <= self.now:
            _, asked = self._asks.pop()
            if asked is Asked.SERVING:
                self.leaf = Stored((self.leaf.value[0], True), self.leaf.version + 1)
            else:
                self.roots = Stored((self.roots.value[0], asked), self.roots.version + 1)

    # What a controller does

    def _cycle(self, controller: Controller) -> Iterator[float]:
        """See, decide and write, with the other controller in between wherever this one is late."""
        late = self._is_rotating() and self._faults[-1:] == [Fault.LATE_BETWEEN_READS]
        roots = self.roots
        leaf, bundles = self.leaf, dict(self.bundles)
        follow = all(replica.value == leaf.value[0] for replica in self.replicas)
        if late:
            self._faults.pop()
            yield self.now + 600
        if self._blind is Blind.ORDER:
            leaf, bundles = self.leaf, dict(self.bundles)
        else:
            roots = self.roots
        situation = self._situation(controller, leaf, roots, bundles, follow=follow)
        own_time = self._time(self.now + controller.clock_off)
        now = own_time if self._blind is Blind.SERVER_TIME else self._clock(self._random.randrange(2))
        for action in plan(situation, now):
            self._acted = True
            fault = self._faults.pop() if self._faults else Fault.NONE
            if fault is Fault.LATE:
                yield self.now + 600
            if not self._write(controller, fault, action, now, (leaf, roots, bundles)):
                return

    def _situation(
        self,
        controller: Controller,
        leaf: Stored[tuple[Leaf, bool]],
        roots: Stored[tuple[Roots, Asked]],
        bundles: dict[str, Stored[frozenset[str]]],
        *,
        follow: bool,
    ) -> Situation:
        (stored, asked_leaf), (known, asked) = leaf.value, roots.value
        seen = {name: (bundle.value,) for name, bundle in bundles.items()}
        if self._blind is Blind.CONFIGURATIONS:
            seen = {name: (frozenset(known.trusted),) for name in bundles}
        follow = follow or self._blind is Blind.REPLICAS
        settled = controller.steady.seen((known, tuple(seen.items()), follow), self.now)
        return Situation(
            known,
            Serving(stored.issuer, stored.validity, covers=True),
            seen,
            follow,
            timedelta(hours=1) if self._blind is Blind.TIME_TO_SETTLE else settled,
            Asked.SERVING if asked is Asked.NOTHING and asked_leaf else asked,
        )

    def _write(
        self,
        controller: Controller,
        fault: Fault,
        action: Action,
        now: datetime,
        read: tuple[Stored[tuple[Leaf, bool]], Stored[tuple[Roots, Asked]], dict[str, Stored[frozenset[str]]]],
    ) -> bool:
        """Return whether the controller goes on to its next action."""
        match fault:
            case Fault.CRASH_BEFORE:
                controller.steady = Steady()
                return False
            case Fault.LOST:
                return False
            case Fault.CLOCK:
                controller.clock_off = self._random.uniform(-30, 30) * DAY
            case Fault.SERVER_CLOCK:
                self.skews[self._random.randrange(2)] = self._random.uniform(-1, 1) * _SKEW_SECONDS
            case Fault.REPLICA:
                self.replicas[self._random.randrange(len(self.replicas))] = Lagging(self.leaf.value[0])
            case Fault.DEAF:
                self._random.choice(self.replicas).deaf_until = self.now + 3600
            case Fault.MORE:
                self.replicas.append(Lagging(self.leaf.value[0]))
            case Fault.OUTAGE if self.now > self._outage + 30 * DAY:
                self._outage = self.now
                for each in self.controllers:
                    each.wakes, each.steady = self.now + 5 * DAY, Steady()
                    each.cycle = iter(())
        done = self._apply(action, now, *read)
        self.check()
        if fault is Fault.CRASH_AFTER:
            controller.steady = Steady()
        return done and fault not in (Fault.CRASH_AFTER, Fault.UNHEARD, Fault.OUTAGE)

    def _apply(
        self,
        action: Action,
        now: datetime,
        leaf: Stored[tuple[Leaf, bool]],
        roots: Stored[tuple[Roots, Asked]],
        bundles: dict[str, Stored[frozenset[str]]],
    ) -> bool:
        """Write, if nobody else has since it was read; return whether it was."""
        known, asked = roots.value
        current = known.current
        assert current is not None
        heedless = self._blind is Blind.VERSIONS
        if isinstance(action, Publish):
            if self.bundles[action.configuration].version != bundles[action.configuration].version and not heedless:
                return False
            self._publish(action.configuration, frozenset(known.trusted))
        elif action is Step.ISSUE:
            if self.leaf.version != leaf.version and not heedless:
                return False
            self._made += 1
            issued = Leaf(self._made, current.fingerprint, Validity(now - _BACKDATED, now + SERVING_LIFE))
            self.leaf = Stored((issued, False), self.leaf.version + 1)
            for replica in self.replicas:
                replica.send(self._soon(), issued)
        else:
            if self.roots.version != roots.version and not heedless:
                return False
            self.roots = Stored(self._staged(action, known, asked, now), self.roots.version + 1)
        self.done.append(action)
        return True

    def _staged(self, step: Step, roots: Roots, asked: Asked, now: datetime) -> tuple[Roots, Asked]:
        current = roots.current
        assert current is not None
        match step:
            case Step.MAKE_NEXT_CA:
                return replace(roots, next=self._root(now)), Asked.NOTHING
            case Step.SIGN_WITH_NEXT_CA:
                return Roots(roots.next, None, (*roots.retired, current)), asked
            case Step.DROP_OLD_CA:
                return Roots(current), asked
            case Step.REPLACE_CA | Step.ISSUE:
                raise AssertionError(f"{step} is not needed where all goes well")

    def _publish(self, name: str, roots: frozenset[str]) -> None:
        self.bundles[name] = Stored(roots, self.bundles[name].version + 1)
        for server in self.servers:
            server[name].send(self._soon(), roots)

    def _root(self, now: datetime) -> Root:
        self._made += 1
        root = Root(f"ca-{self._made}", Validity(now - _BACKDATED, now + CA_LIFE), can_sign=True)
        self._validities[root.fingerprint] = root.validity
        return root

    # Time, and who verifies

    def _soon(self) -> float:
        return self.now + self._random.uniform(0, LAG_SECONDS)

    def _time(self, seconds: float) -> datetime:
        return BEGIN + timedelta(seconds=seconds)

    def _clock(self, server: int) -> datetime:
        return self._time(self.now + self.skews[server])

    def _pass_until(self, end: float) -> None:
        copies: list[Lagging[Any]] = [*self.replicas, *(copy for server in self.servers for copy in server.values())]
        for when in sorted({at for copy in copies for at, _ in copy.coming if at < end} | {end}):
            self.now = max(self.now, when)
            self.check()
            for copy in copies:
                copy.follow(self.now)
            self.check()

    def check(self) -> None:
        """Let each API server ask each replica now."""
        leaves = {replica.value for replica in self.replicas}
        for index, server in enumerate(self.servers):
            clock = self._clock(index)
            for leaf in leaves:
                for bundle in server.values():
                    chain = (leaf.validity, self._validities[leaf.issuer])
                    valid = all(each.not_before <= clock < each.not_after for each in chain)
                    if leaf.issuer not in bundle.value or not valid:
                        raise UnverifiedError(f"day {self.now / DAY:.2f}: {leaf} by {set(bundle.value)} at {clock}")

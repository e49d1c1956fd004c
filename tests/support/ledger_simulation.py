"""A small world in which the quota ledger's protocol runs step by step, in any order that a schedule asks for.

It has an API server (objects with resource versions, compare-and-swap, a history of claims that watches read late),
requests that the API server gives up on after 60 s, any number of calls of webhook replicas for them (also two for the
same claim), and controllers with caches that lag. Everything may stop for good between any two steps.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from webhook.core.quantity import parse_quantity
from webhook.core.quota_status import Amounts, QuotaStatus, Reservation, parse_status, render_status
from webhook.core.quotas import DeviceQuota, Dimension, Limit
from webhook.quota import ledger

REQUEST_TIMEOUT = 60.0
LIFE = 90.0
HARD = 5
NAMES = ("alpha", "beta")
LIMIT = "devices"

Step = tuple[int, int]
"""What to do next, and a number that settles its details; any integers make sense."""


@dataclass(frozen=True)
class Protocol:
    """The parts of the protocol, so that a test can break one of them."""

    admit: Callable[[DeviceQuota, Reservation], ledger.Outcome] = ledger.admit
    give_back: Callable[[QuotaStatus, str, str], QuotaStatus | None] = ledger.give_back
    fold: Callable[..., QuotaStatus | ledger.Outdated | None] = ledger.fold
    ended: Callable[..., frozenset[str]] = ledger.ended
    compares: bool = True
    life: float = LIFE


@dataclass(frozen=True)
class Stored:
    """An object as read: its content and its resource version."""

    quota: DeviceQuota
    version: int


@dataclass
class Request:
    """A claim on its way: what it asks of each quota, until when the API server waits, and what it was told."""

    uid: str
    asks: Mapping[str, int]
    deadline: float
    allowed: bool = False
    refused: bool = False
    settled: bool = False


Call = Generator[None, int, None]


@dataclass
class Controller:
    """One controller process: how far its watch is, and since when it has seen which reservations."""

    position: int
    sightings: dict[str, ledger.Sightings] = field(default_factory=dict)
    census: ledger.Census = field(default_factory=lambda: ledger.Census(-1.0, frozenset()))


class BrokenError(AssertionError):
    """An invariant of the ledger does not hold."""


class World:
    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.now = 0.0
        self.version = 1
        self.quotas = {name: [Stored(_quota(name), 1)] for name in NAMES}
        self.claims: dict[str, dict[str, int]] = {}
        # What a watch shows, in order: the version, the uid, and what the claim is charged now (None: it is gone).
        self.history: list[tuple[int, str, Mapping[str, int] | None]] = []
        self.requests: list[Request] = []
        self.calls: list[Call] = []
        self.controllers = [Controller(0), Controller(0)]
        self.made = 0

    def run(self, schedule: Sequence[Step]) -> None:
        """Take every step, with the invariants checked after each; then let everything come to rest."""
        for name in NAMES:
            self._fold(self.controllers[0], name, 0)
        actions = (
            self._ask, self._ask, self._ask, self._ask, self._advance, self._advance, self._advance, self._advance,
            self._advance, self._advance, self._finish, self._finish, self._finish, self._store, self._store,
            self._store, self._store, self._delete, self._shrink, self._watch, self._watch, self._look,
            self._fold_some, self._fold_some, self._reconcile, self._reconcile, self._take_census,
            self._restart_controller, self._retry, self._crash, self._wait, self._wait,
        )  # fmt: skip
        for choice, detail in schedule:
            actions[choice % len(actions)](detail)
            self.check()
        self.come_to_rest()

    def check(self) -> None:
        for name in NAMES:
            stored = sum(asks[name] for asks in self.claims.values())
            if stored > HARD:
                raise BrokenError(f"{stored} stored under {name}, {HARD} allowed")
            books = self._current(name).quota.status
            if books is not None and books.limits[0].used < stored:
                raise BrokenError(f"{stored} stored under {name}, only {books.limits[0].used} charged")

    def come_to_rest(self) -> None:
        """No new requests; after twice the life of a reservation the books must be the truth."""
        self.calls.clear()
        keeper = Controller(0)
        for pause in (0.0, LIFE, LIFE):
            self.now += pause
            keeper.position = len(self.history)
            for name in NAMES:
                self._sight(keeper, name)
            keeper.census = ledger.Census(self.now, frozenset(self.claims))
            for name in NAMES:
                self._fold(keeper, name, 0)
        for name in NAMES:
            books = self._current(name).quota.status
            stored = sum(asks[name] for asks in self.claims.values())
            assert books is not None
            if books.reservations or books.limits[0].used != stored or books.limits[0].reserved:
                raise BrokenError(f"{stored} stored under {name}, {books.limits[0].used} still charged")

    # The API server

    def _current(self, name: str) -> Stored:
        return self.quotas[name][-1]

    def _read(self, name: str, lag: int) -> Stored:
        """Return the object, or one of its last versions where the reader lags."""
        return self.quotas[name][-1 - min(lag % 3, len(self.quotas[name]) - 1)]

    def _write(self, name: str, read: Stored, status: QuotaStatus) -> bool:
        if self.protocol.compares and read.version != self._current(name).version:
            return False
        self.version += 1
        stored = parse_status(render_status(status))
        if stored != status:
            raise BrokenError("the status changes on its way through JSON")
        self.quotas[name].append(Stored(replace(read.quota, status=stored), self.version))
        return True

    def _record(self, uid: str, charges: Mapping[str, int] | None) -> None:
        self.version += 1
        self.history.append((self.version, uid, charges))

    # Users and the API server's side of a request

    def _ask(self, detail: int) -> None:
        self.made += 1
        asks = {NAMES[0]: detail % 4, NAMES[1]: detail // 4 % 4}
        request = Request(f"uid-{self.made}", asks, self.now + REQUEST_TIMEOUT)
        self.requests.append(request)
        self._call(request, f"call-{self.made}")

    def _retry(self, detail: int) -> None:
        """The API server sends a claim again that another call may still be deciding on."""
        under_way = [request for request in self.requests if not request.settled and request.deadline > self.now]
        if under_way:
            self.made += 1
            self._call(under_way[detail % len(under_way)], f"call-{self.made}")

    def _store(self, detail: int) -> None:
        """An allowed claim is stored, or refused by somebody after us."""
        ready = [request for request in self.requests if request.allowed and not request.settled]
        if not ready:
            return
        request = ready[detail % len(ready)]
        request.settled = True
        if self.now <= request.deadline and detail % 5 != 4:
            self.claims[request.uid] = dict(request.asks)
            self._record(request.uid, dict(request.asks))

    def _delete(self, detail: int) -> None:
        if self.claims:
            uid = sorted(self.claims)[detail % len(self.claims)]
            del self.claims[uid]
            self._record(uid, None)

    def _shrink(self, detail: int) -> None:
        """A claim is allocated, which takes less than the worst case."""
        if self.claims:
            uid = sorted(self.claims)[detail % len(self.claims)]
            self.claims[uid] = {name: min(asked, 1) for name, asked in self.claims[uid].items()}
            self._record(uid, dict(self.claims[uid]))

    # Replicas of the webhook

    def _call(self, request: Request, attempt: str) -> None:
        call = self._decide(request, attempt)
        next(call)
        self.calls.append(call)

    def _advance(self, detail: int) -> None:
        if self.calls:
            self._go_on(self.calls[detail % len(self.calls)], detail // 7)

    def _go_on(self, call: Call, detail: int) -> None:
        try:
            call.send(detail)
        except StopIteration:
            self.calls.remove(call)

    def _finish(self, detail: int) -> None:
        """One call goes on to its end, and nothing comes between."""
        going = len(self.calls)
        while going and len(self.calls) == going:
            self._go_on(self.calls[detail % going], 0)

    def _crash(self, detail: int) -> None:
        if self.calls:
            self.calls.pop(detail % len(self.calls)).close()

    def _decide(self, request: Request, attempt: str) -> Call:
        """One call of the webhook: append to every quota in name order, give back on refusal."""
        held: list[str] = []
        for name in NAMES:
            amounts = {LIMIT: Fraction(request.asks[name])} if request.asks[name] else {}
            wanted = Reservation(request.uid, request.uid, amounts, "team-a", (attempt,), undecided=name != NAMES[-1])
            held.append(name)
            if not (yield from self._admitted(name, wanted)):
                yield from self._return_all(held, request.uid, attempt)
                request.refused = True
                return
        request.allowed = True

    def _admitted(self, name: str, wanted: Reservation) -> Generator[None, int, bool]:
        while True:
            lag = yield
            read = self._read(name, lag)
            outcome = self.protocol.admit(read.quota, wanted)
            if not isinstance(outcome, ledger.Admitted):
                return False
            if not outcome.changed:
                # Where nothing is to be written, nothing compares: such an answer needs a read that is not late.
                if read.version == self._current(name).version:
                    return True
                continue
            assert outcome.status is not None
            lost = (yield) % 4 == 3
            if self._write(name, read, outcome.status) and not lost:
                return True

    def _return_all(self, held: list[str], uid: str, attempt: str) -> Call:
        for name in held:
            while True:
                yield
                read = self._current(name)
                status = read.quota.status and self.protocol.give_back(read.quota.status, uid, attempt)
                yield
                if status is None or self._write(name, read, status):
                    break
            books = self._current(name).quota.status
            known = books.reservation(uid) if books else None
            if known is not None and attempt in known.attempts:
                raise BrokenError("a refused call still holds its charge")

    # Controllers

    def _controller(self, detail: int) -> Controller:
        return self.controllers[detail % len(self.controllers)]

    def _reconcile(self, detail: int) -> None:
        """A controller's whole round, whatever its watch has shown it by then."""
        controller = self._controller(detail)
        controller.census = ledger.Census(self.now, frozenset(self.claims))
        for name in NAMES:
            self._fold(controller, name, 0)
            self._sight(controller, name)

    def _restart_controller(self, detail: int) -> None:
        """A new process lists the claims, perhaps from a cache that lags, and has seen no reservation yet."""
        if detail % 8:
            return
        position = max(0, len(self.history) - detail // 2 % 3)
        self.controllers[detail // 8 % len(self.controllers)] = Controller(position)

    def _watch(self, detail: int) -> None:
        controller = self._controller(detail)
        controller.position = min(len(self.history), controller.position + 1 + detail // 2 % 4)

    def _look(self, detail: int) -> None:
        self._sight(self._controller(detail), NAMES[detail // 2 % 2])

    def _sight(self, controller: Controller, name: str) -> None:
        before = controller.sightings.get(name, ledger.Sightings({}))
        controller.sightings[name] = before.noted(self._current(name).quota.status, self.now)

    def _take_census(self, detail: int) -> None:
        self._controller(detail).census = ledger.Census(self.now, frozenset(self.claims))

    def _fold_some(self, detail: int) -> None:
        self._fold(self._controller(detail), NAMES[detail // 2 % 2], detail // 4)

    def _fold(self, controller: Controller, name: str, lag: int) -> None:
        seen: dict[str, Amounts] = {}
        gone: set[str] = set()
        for _, uid, charges in self.history[: controller.position]:
            if charges is None:
                seen.pop(uid, None)
                gone.add(uid)
            else:
                seen[uid] = {LIMIT: Fraction(charges[name])}
        version = self.history[controller.position - 1][0] if controller.position else 0
        over = self.protocol.ended(
            controller.sightings.get(name, ledger.Sightings({})), controller.census, self.protocol.life
        )
        read = self._read(name, lag)
        observation = ledger.Observation(version, read.quota.generation, seen, frozenset(gone))
        status = self.protocol.fold(read.quota, observation, over)
        if isinstance(status, QuotaStatus):
            self._write(name, read, status)

    def _wait(self, detail: int) -> None:
        self.now += (0.5, 1.0, 1.0, 1.0, 5.0, 5.0, 30.0, 91.0)[detail % 8]


def _quota(name: str) -> DeviceQuota:
    limit = Limit(LIMIT, Dimension.DEVICES, parse_quantity(str(HARD)))
    return DeviceQuota("team-a", name, limits=(limit,), generation=1)

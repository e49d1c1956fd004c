"""Claims of random size over three quotas, what they take of them, and how they were answered."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random

from tests.controlplane.api import Json
from tests.controlplane.objects import GPU_DRIVER, MIG_CLASS, make_claim_object, make_exact_request
from tests.controlplane.storm import REQUEST_SECONDS, Answer

CREATES = 1_000
SHARED = "shared.example.com"
SHARE: Json = {
    "name": "share",
    "allowMultipleAllocations": True,
    "capacity": {
        "memory": {
            "value": "80Gi",
            "requestPolicy": {"default": "10Gi", "validRange": {"min": "10Gi", "step": "10Gi"}},
        }
    },
}
PROFILES = {"1g.10gb": 1, "3g.40gb": 3}
HARD = {"devices": 600, "memory": 5_000, "slices": 2_500}
"""What each of the three quotas allows; memory in Gi."""
LAG = 5.0
"""Seconds that the controller may take to see what is stored and what is gone."""
LIFE = REQUEST_SECONDS + 2
"""Seconds that a reservation lives: longer than the API server may take for one of these creates."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A claim, and what it takes of each quota: counted here, from what the quotas say that they count."""

    claim: Json
    takes: Mapping[str, int]

    @property
    def name(self) -> str:
        return str(self.claim["metadata"]["name"])


def wishes(limited: str, other: str) -> Iterator[Wish]:
    """Whole GPUs, partitions and shares; one namespace has quotas of its own, slices come from a pot of both."""
    chance = Random(20261121)
    for number in range(CREATES):
        namespace = limited if chance.random() < 0.7 else other
        count = chance.randint(1, 3)
        takes = {"devices": count, "memory": 0, "slices": 0}
        match chance.choice(("gpu", "mig", "shared")):
            case "gpu":
                request = make_exact_request(count)
                takes["slices"] = 7 * count
            case "mig":
                profile = chance.choice(sorted(PROFILES))
                chosen = f"device.attributes['{GPU_DRIVER}'].profile == '{profile}'"
                request = make_exact_request(count, MIG_CLASS, chosen)
                takes["slices"] = PROFILES[profile] * count
            case _:
                asked = chance.randint(1, 40)
                request = make_exact_request(count, SHARED)
                request["exactly"]["capacity"] = {"requests": {"memory": f"{asked}Gi"}}
                takes["memory"] = -(-asked // 10) * 10 * count  # at least 10 Gi, in steps of 10
        if namespace == other:
            takes |= {"devices": 0, "memory": 0}
        yield Wish(make_claim_object(namespace, f"claim-{number}", request), takes)


@dataclass
class Course:
    """What happened: how each claim was answered, and when it was deleted again."""

    wishes: Mapping[str, Wish]
    answers: dict[str, Answer] = field(default_factory=dict)
    gone: dict[str, float] = field(default_factory=dict)
    dry_runs: int = 0

    def taken(self, names: Iterable[str]) -> dict[str, int]:
        """Return what the claims of these names take of each quota."""
        totals = dict.fromkeys(HARD, 0)
        for name in names:
            for quota, amount in self.wishes[name].takes.items():
                totals[quota] += amount
        return totals

    def refused_with_room(self, *, deleted: float = 0.0, lost: float = 0.0) -> int:
        """How many were refused although at no moment of their call a quota that refused was short of room.

        A stored claim takes room from the begin of its call until `deleted` seconds after it was deleted, and a try
        that was lost, because its replica or the API server was killed, until `lost` seconds after its end.
        """
        levels = {quota: self._level(quota, deleted, lost) for quota in HARD}
        return sum(not self._had_to_wait(name, levels) for name in self.answers if self.answers[name].refusal)

    def summary(self) -> str:
        """Say how the claims were answered, and how many were refused in spite of room."""
        answers = self.answers.values()
        stored = sum(not answer.refusal for answer in answers)
        lost = sum(len(answer.lost) for answer in answers)
        return (
            f"{len(answers)} creates and {self.dry_runs} dry runs, {stored} stored, {len(self.gone)} deleted, "
            f"{len(answers) - stored} refused, {lost} tries lost; refused beside room {self.refused_with_room()}, of "
            f"them {self.refused_with_room(lost=LIFE + LAG)} where no lost try was still reserved, and "
            f"{self.refused_with_room(lost=LIFE + LAG, deleted=LAG)} where nothing was just deleted either"
        )

    def _had_to_wait(self, name: str, levels: Mapping[str, "Level"]) -> bool:
        answer, takes = self.answers[name], self.wishes[name].takes
        refusing = (quota for quota in HARD if f"'{quota}'" in answer.refusal)
        return any(levels[quota].most(answer.began, answer.ended) + takes[quota] > HARD[quota] for quota in refusing)

    def _level(self, quota: str, deleted: float, lost: float) -> "Level":
        changes = []
        for name, answer in self.answers.items():
            amount = self.wishes[name].takes[quota]
            for began, ended in answer.lost if lost else ():
                changes += [(began, amount), (ended + lost, -amount)]
            if not answer.refusal:
                changes.append((answer.began, amount))
                if name in self.gone:
                    changes.append((self.gone[name] + deleted, -amount))
        return Level(changes)


class Level:
    """A sum that changes at moments."""

    def __init__(self, changes: list[tuple[float, int]]) -> None:
        changes.sort()
        self._moments = [moment for moment, _ in changes]
        self._sums = [0, *accumulate(amount for _, amount in changes)]

    def most(self, begin: float, end: float) -> int:
        """Return the most that it is from one moment to another."""
        return max(self._sums[bisect_left(self._moments, begin) : bisect_right(self._moments, end) + 1])


def small_claim(namespace: str, name: str, slices: int) -> Json:
    """Return a claim of so many slices."""
    chosen = f"device.attributes['{GPU_DRIVER}'].profile == '1g.10gb'"
    return make_claim_object(namespace, name, make_exact_request(slices, MIG_CLASS, chosen))

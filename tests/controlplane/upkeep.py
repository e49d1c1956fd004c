"""What programs take of their machine, sampled from /proc while they run."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression
from typing import Self

from tests.controlplane.programs import Program

SECONDS_BETWEEN = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """`resident` in MiB."""

    at: float
    resident: float
    files: int
    threads: int


class Upkeep:
    """`with Upkeep(programs) as upkeep:` samples until the end of the block."""

    def __init__(self, programs: Mapping[str, Program]) -> None:
        self.samples: Mapping[str, list[Sample]] = {name: [] for name in programs}
        self._folders = {name: Path(f"/proc/{program.pid}") for name, program in programs.items()}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="upkeep")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(SECONDS_BETWEEN):
            for name, folder in self._folders.items():
                self.samples[name].append(_sample(folder))


def _sample(folder: Path) -> Sample:
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    resident = int(status["VmRSS"].removesuffix("kB")) / 1024
    return Sample(time.monotonic(), resident, len(list((folder / "fd").iterdir())), int(status["Threads"]))


def growth(samples: Sequence[Sample]) -> float:
    """Return by how many MiB memory grew from the first sample to the last, by the straight line that fits best."""
    line = linear_regression([sample.at for sample in samples], [sample.resident for sample in samples])
    return line.slope * (samples[-1].at - samples[0].at)


def least(samples: Sequence[Sample]) -> tuple[int, int]:
    """Return the fewest open files and threads: what leaks is there when connections are not."""
    return min(sample.files for sample in samples), min(sample.threads for sample in samples)

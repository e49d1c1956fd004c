"""How long a cold `drawbridge check` of one small file takes; starting a bare interpreter stands beside.

    .venv/bin/python -m benchmarks.startup [PYTHON]

Prints medians of elapsed and processor time, and ratios to the interpreter; all commands run in turns. PYTHON is the
interpreter of an environment in which a wheel is installed: the editable installation of a checkout starts slower.
The budget on a quiet machine: 400 ms.
"""

import os
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path

ROUNDS = 15
ROOT = Path(__file__).parents[1]
CLAIMS = ROOT / "examples" / "claims"
CLUSTER = ("--cluster", str(ROOT / "examples" / "cluster"))


def commands(python: str) -> Mapping[str, tuple[str, ...]]:
    """Return what is started, by what it is called."""
    check = (python, "-m", "webhook", "check")
    return {
        "python -c pass": (python, "-c", "pass"),
        "check, one claim": (*check, str(CLAIMS / "good.yaml")),
        "check --cluster, one claim": (*check, *CLUSTER, str(CLAIMS / "good.yaml")),
        "check --cluster, a misspelt attribute": (*check, *CLUSTER, str(CLAIMS / "misspelt-attribute.yaml")),
    }


def started(command: tuple[str, ...]) -> tuple[float, float]:
    """Return the elapsed and the processor time of a command, in seconds."""
    before = time.perf_counter()
    nowhere = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    _, _, usage = os.wait4(os.posix_spawn(command[0], command, os.environ, file_actions=nowhere), 0)
    return time.perf_counter() - before, usage.ru_utime + usage.ru_stime


def main() -> None:
    listed = commands(sys.argv[1] if len(sys.argv) > 1 else sys.executable)
    os.chdir("/")  # the installed package, not the checkout
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in listed}
    for _ in range(ROUNDS):
        for name, command in listed.items():
            times[name].append(started(command))
    bare = statistics.median(processor for _, processor in times["python -c pass"])
    for name, found in times.items():
        elapsed, processor = (statistics.median(column) for column in zip(*found, strict=True))
        print(f"{name:38} {elapsed * 1000:6.0f} ms  processor {processor * 1000:6.0f} ms  {processor / bare:5.1f}")


if __name__ == "__main__":
    main()

"""How long compiling and evaluating selectors takes, beside Kubernetes' own compiler where it is built.

    .venv/bin/python -m benchmarks.cel

Prints medians of this run; compare the ratios, not the times. `make conformance-reference` builds the other side.
"""

import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.reference import Question, Reference
from webhook.cel.compile import Compiled, compile_selector
from webhook.cel.device import device_from_json
from webhook.cel.environment import device_environment
from webhook.cel.evaluator import build

DOMAIN = "gpu.example.com"
MODEL = f"device.attributes['{DOMAIN}'].model"
MEMORY = f"device.capacity['{DOMAIN}'].memory"
SELECTORS = (
    f"device.driver == '{DOMAIN}'",
    f"{MODEL} == 'A100'",
    f"{MODEL} in ['A100', 'H100', 'H200'] && {MEMORY}.compareTo(quantity('40Gi')) >= 0",
    f"device.driver == '{DOMAIN}' && device.attributes['{DOMAIN}'].type == 'gpu'",
    f"{MODEL}.lowerAscii().matches('^.*(a100|h100).*$')",
    f"has(device.attributes['{DOMAIN}'].index) && device.attributes['{DOMAIN}'].index < 4",
    f"device.attributes['{DOMAIN}'].driverVersion.isGreaterThan(semver('550.0.0'))",
    f"cel.bind(g, device.attributes['{DOMAIN}'], g.type == 'gpu' && g.model.startsWith('NVIDIA'))",
    f"{MEMORY}.isGreaterThan(quantity('80Gi')) || ({MEMORY}.isGreaterThan(quantity('40Gi')) && {MODEL} != 'L4')",
    f"device.attributes['{DOMAIN}'].?profile.orValue('') == '1g.10gb'",
)
DEVICE = {
    "name": "gpu-0",
    "driver": DOMAIN,
    "attributes": {
        "model": {"string": "A100"},
        "type": {"string": "gpu"},
        "index": {"int": 1},
        "driverVersion": {"version": "560.1.0"},
        "profile": {"string": "1g.10gb"},
    },
    "capacity": {"memory": {"value": "80Gi"}},
}
CORPUS = Path(__file__).parents[1] / "tests" / "conformance" / "compile.jsonl"
ROUNDS = 30


def median_us(run: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The median of single runs, in microseconds."""
    taken = []
    for _ in range(rounds):
        before = time.perf_counter_ns()
        run()
        taken.append(time.perf_counter_ns() - before)
    return statistics.median(taken) / 1_000


def compile_times() -> list[float]:
    environment = device_environment()
    return [median_us(lambda text=text: compile_selector(text, environment)) for text in SELECTORS]  # type: ignore[misc]  # the default binds the loop's text


def evaluation_times() -> list[float]:
    device = device_from_json(DEVICE)
    taken = []
    for compiled in compiled_selectors():
        assert compiled.ast is not None
        program = build(compiled.ast)

        def hundred(program: object = program) -> None:
            for _ in range(100):
                program.matches(device)  # type: ignore[attr-defined]  # a Program

        taken.append(median_us(hundred, 10) / 100)
    return taken


def compiled_selectors() -> list[Compiled]:
    environment = device_environment()
    return [compile_selector(text, environment) for text in SELECTORS]


def corpus_seconds() -> float:
    environment = device_environment()
    texts = [json.loads(line)["expr"] for line in CORPUS.read_text("utf-8").splitlines()]
    before = time.perf_counter()
    for text in texts:
        compile_selector(text, environment)
    return time.perf_counter() - before


def import_milliseconds() -> float:
    """What importing the compiler adds to a bare start, in processor time."""
    script = "import time; a = time.process_time(); import webhook.cel.compile; print(time.process_time() - a)"
    runs = [subprocess.run([sys.executable, "-c", script], capture_output=True, check=True) for _ in range(7)]
    return min(float(run.stdout) for run in runs) * 1_000


def kept_bytes() -> float:
    """How much memory one compiled selector keeps, on average of many."""
    import tracemalloc

    environment = device_environment()
    compiled_selectors()
    gc.collect()
    tracemalloc.start()
    kept = [compile_selector(text, environment) for text in SELECTORS for _ in range(20)]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / len(kept)


def main() -> None:
    ours, evaluated = statistics.median(compile_times()), statistics.median(evaluation_times())
    print(f"compile: {ours:.0f} us a selector; evaluate: {evaluated:.2f} us a device")
    if Reference.is_built("1.37"):
        timings = Reference("1.37").time([Question(text, DEVICE) for text in SELECTORS])
        theirs = statistics.median(timing.compile_ns for timing in timings) / 1_000
        their_evaluation = statistics.median(timing.eval_ns for timing in timings) / 1_000
        print(f"Kubernetes' own: {theirs:.0f} us and {their_evaluation:.2f} us")
        print(f"ours to theirs: {ours / theirs:.2f} and {evaluated / their_evaluation:.2f}")
    print(f"the recorded corpus: {corpus_seconds():.2f} s")
    print(f"import: {import_milliseconds():.0f} ms; a compiled selector keeps {kept_bytes() / 1024:.1f} KiB")


if __name__ == "__main__":
    main()

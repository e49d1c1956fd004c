"""How long compiling and evaluating selectors takes, beside Kubernetes' own compiler where it is built.

    .venv/bin/python -m benchmarks.cel

Prints medians and ranges of rounds in which both sides take turns; compare the ratios, not the times.
`make conformance-reference` builds the other side.
"""

import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.reference import Question, Reference
from webhook.cel.compile import MOST_BYTES, Compiled, compile_selector
from webhook.cel.device import CelDevice, device_from_json
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
MINOR = "1.37"
ROUNDS = 7  # both sides in turns: whatever else runs on the machine falls on both
PASSES = 3
SLOW_NS = 50_000_000  # a text on which the reference needs longer than that is left out of the fair comparison
DEVICES, SHAPES = 10_000, 50
HOSTILE = {
    "a chain of optMap": "optional.of(1)" + ".optMap(x, x)" * 700,
    "a chain of optMap of 40,000 nodes": f"optional.of([{', '.join(['1'] * 20)}])"
    + ".optMap(x, x)" * 10
    + ".hasValue()",
    "many chains of optMap": " && ".join(["optional.of(1)" + ".optMap(x, x)" * 9 + ".hasValue()"] * 75),
    "a list": "[" + "1," * 5_000 + "1] == []",
    "a sum": "1" + "+1" * 5_000 + " == 1",
    "open brackets": "[" * 10_240,
    "nested lists": "[" * 5_000 + "]" * 5_000,
    "nested loops": "[1].all(x, " * 850 + "true" + ")" * 850,
    "terms": " || ".join(["device.attributes['d'].x == 'y'"] * 290),
    "wrong terms": " && ".join(["1 == 'a'"] * 850),
    "backquotes": "`" * 10_240,
    "patterns": " && ".join(f"'a'.matches('(a|b)*c{{1,100}}{number}')" for number in range(240)),
}


def compiled_selectors() -> list[Compiled]:
    environment = device_environment()
    return [compile_selector(text, environment) for text in SELECTORS]


def median_us(run: Callable[[], object], rounds: int) -> float:
    """The median of single runs, in microseconds."""
    taken = []
    for _ in range(rounds):
        before = time.perf_counter_ns()
        run()
        taken.append(time.perf_counter_ns() - before)
    return statistics.median(taken) / 1_000


def compile_us() -> float:
    """The median selector."""
    environment = device_environment()
    return statistics.median(
        median_us(lambda text=text: compile_selector(text, environment), 60)  # type: ignore[misc]  # binds the loop's
        for text in SELECTORS
    )


def evaluation_us() -> float:
    """The median selector on one device, without counting the cost."""
    device = device_from_json(DEVICE)
    taken = []
    for compiled in compiled_selectors():
        assert compiled.ast is not None
        matches = build(compiled.ast).matches

        def hundred(matches: Callable[[CelDevice], bool] = matches) -> None:
            for _ in range(100):
                matches(device)

        taken.append(median_us(hundred, 20) / 100)
    return statistics.median(taken)


def in_turns() -> None:
    reference = Reference(MINOR) if Reference.is_built(MINOR) else None
    rows: list[tuple[float, float, float, float]] = []
    for _ in range(ROUNDS):
        timings = reference.time([Question(text, DEVICE) for text in SELECTORS]) if reference else []
        compiling = statistics.median(timing.compile_ns for timing in timings) / 1_000 if timings else 0
        evaluating = statistics.median(timing.eval_ns for timing in timings) / 1_000 if timings else 0
        rows.append((compile_us(), compiling, evaluation_us(), evaluating))
    for what, ours, theirs in (("compile a selector", 0, 1), ("evaluate on a device", 2, 3)):
        mine = [row[ours] for row in rows]
        print(f"{what}: {_range(mine)} us", end="")
        if reference:
            ratios = [row[ours] / row[theirs] for row in rows]
            print(f"; Kubernetes' own: {_range([row[theirs] for row in rows])} us; ratio {_range(ratios)}", end="")
        print()


def _range(values: list[float]) -> str:
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def corpus() -> None:
    """All recorded texts one after the other, and the medians of each text in some passes, on both sides."""
    environment = device_environment()
    texts = [json.loads(line)["expr"] for line in CORPUS.read_text("utf-8").splitlines()]
    samples: list[list[int]] = [[] for _ in texts]
    for _ in range(PASSES):
        for text, taken in zip(texts, samples, strict=True):
            before = time.perf_counter_ns()
            compile_selector(text, environment)
            taken.append(time.perf_counter_ns() - before)
    ours = [statistics.median(taken) for taken in samples]
    print(f"{len(texts)} recorded texts: {sum(ours) / 1e9:.2f} s", end="")
    if Reference.is_built(MINOR):
        timings = Reference(MINOR).time_in_passes([Question(text) for text in texts], PASSES)
        theirs = [timing.compile_ns for timing in timings]
        quick = [index for index, taken in enumerate(theirs) if taken < SLOW_NS]
        print(f"; Kubernetes' own: {sum(theirs) / 1e9:.2f} s")
        mine, its = sum(ours[index] for index in quick), sum(theirs[index] for index in quick)
        print(f"  without {len(texts) - len(quick)} on which that takes over 50 ms: ", end="")
        print(f"{mine / 1e9:.2f} s; Kubernetes' own: {its / 1e9:.2f} s; ratio {mine / its:.2f}", end="")
    print()


def many_devices_ms() -> float:
    """The median selector on many devices of some shapes, each shape judged once."""
    shapes = [
        device_from_json({**DEVICE, "attributes": {**DEVICE["attributes"], "index": {"int": number}}})  # type: ignore[dict-item]  # a mapping
        for number in range(SHAPES)
    ]
    shape_of = [number % SHAPES for number in range(DEVICES)]
    taken = []
    for compiled in compiled_selectors():
        assert compiled.ast is not None
        matches = build(compiled.ast).matches

        def all_devices(matches: Callable[[CelDevice], bool] = matches) -> list[int]:
            outcomes = [matches(shape) for shape in shapes]
            return [number for number, shape in enumerate(shape_of) if outcomes[shape]]

        taken.append(median_us(all_devices, 20) / 1_000)
    return statistics.median(taken)


def hostile() -> None:
    """The texts of ten kilobytes that take longest: their verdict, and with it the words."""
    environment = device_environment()
    verdicts, words = {}, {}
    for name, whole in HOSTILE.items():
        text = whole[:MOST_BYTES]
        verdicts[name] = _processor_ms(lambda text=text: compile_selector(text, environment))  # type: ignore[misc]
        words[name] = _processor_ms(lambda text=text: compile_selector(text, environment).diagnostics)  # type: ignore[misc]
    for what, taken in (("verdict", verdicts), ("verdict and words", words)):
        worst = sorted(taken, key=lambda name: -taken[name])[:4]
        print(f"hostile 10 KiB, {what}:", "; ".join(f"{taken[name]:.0f} ms {name}" for name in worst))


def _processor_ms(run: Callable[[], object]) -> float:
    taken = []
    for _ in range(5):
        before = time.process_time()
        run()
        taken.append(time.process_time() - before)
    return statistics.median(taken) * 1_000


def import_ms() -> float:
    """What importing the compiler adds to a bare start, in processor time, with bytecode as an installation has it."""
    script = "import time; a = time.process_time(); import webhook.cel.compile; print(time.process_time() - a)"
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}
        command = [sys.executable, "-c", script]
        runs = [subprocess.run(command, capture_output=True, check=True, env=environment) for _ in range(8)]
    return statistics.median(float(run.stdout) for run in runs[1:]) * 1_000


def kept_kib() -> float:
    """How much memory one compiled selector keeps, on average of many."""
    import tracemalloc

    environment = device_environment()
    compiled_selectors()
    gc.collect()
    tracemalloc.start()
    kept = [compile_selector(text, environment) for text in SELECTORS for _ in range(20)]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / len(kept) / 1_024


def main() -> None:
    in_turns()
    corpus()
    print(f"{DEVICES:,} devices of {SHAPES} shapes: {many_devices_ms():.2f} ms")
    hostile()
    print(f"import: {import_ms():.0f} ms; a compiled selector keeps {kept_kib():.1f} KiB")


if __name__ == "__main__":
    main()

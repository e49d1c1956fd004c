"""What a decision costs on large inventories, what they weigh, and what the update of one slice costs.

    .venv/bin/python -m benchmarks.inventory

Claims have three selectors and a quota; `alike` devices differ in nothing but their name, `single` ones have an
identity of their own as well, as real ones do; `odd` ones, as a hostile driver could publish them, have a name, a value
and a capacity that no other has. Times are of the processor; every kind of cluster has its own process. The longest
step is the longest time between two looks at the clock, over claims of several kinds, the inventory being new.
"""

import gc
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path

from benchmarks.decision import QUOTA, SELECTORS
from tests.support.build import Raw, claim_with, device, make_claim, make_view, request, slice_object
from webhook.core.cluster import ClusterView
from webhook.core.devices import ResourceSlice, parse_slice
from webhook.core.quotas import parse_quota
from webhook.endpoints import quota_charges, validate_claims
from webhook.inventory.case import Case
from webhook.inventory.inventory import inventory_of
from webhook.rules import Rulebook

KINDS = (
    (10_000, 50, "alike"),
    (10_000, 50, "single"),
    (100_000, 500, "alike"),
    (100_000, 500, "single"),
    (100_000, 100_000, "odd"),
)
A_NODE = 8
WARM, COLD = 300, 3


def slice_of(node: int, shapes: int, *, single: bool, model: int = 0) -> ResourceSlice:
    return parse_slice(raw_slice(node, shapes, single=single, model=model))


def raw_slice(node: int, shapes: int, *, single: bool, model: int = 0) -> Raw:
    devices = []
    for index in range(A_NODE):
        shape = (node * A_NODE + index + model) % shapes
        own = {"uuid": f"GPU-{node:08x}-0000-0000-0000-{index:012x}", "bus": f"0000:{index:02x}:00.{node % 8}"}
        devices.append(
            device(
                f"gpu-{index}",
                {"memory": f"{40 + shape % 3 * 20}Gi"},
                model=f"model-{shape}",
                type="gpu",
                brand="Example",
                index=index if single else shape % A_NODE,
                driverVersion={"version": "580.65.6"},
                **(own if single else {}),
            )
        )
    return slice_object(*devices, node=f"node-{node}")


def odd(number: int) -> Raw:
    capacity = {"memory": f"{40 + number % 3 * 20}Gi", f"part{number}": "1"}
    driver_version = {"version": f"580.{number}.0"}
    own = {f"odd{number}": number}
    return device(f"gpu-{number}", capacity, model=f"model-{number}", index=number, driverVersion=driver_version, **own)


def odd_slice(node: int) -> ResourceSlice:
    devices = (odd(number) for number in range(node * A_NODE, (node + 1) * A_NODE))
    return parse_slice(slice_object(*devices, node=f"node-{node}"))


def slices(count: int, shapes: int, *, single: bool) -> Mapping[str, ResourceSlice]:
    parts = (slice_of(node, shapes, single=single) for node in range(count // A_NODE))
    return {part.name: part for part in parts}


def view(parts: Mapping[str, ResourceSlice]) -> ClusterView:
    return make_view(*parts.values(), quotas={("team-a", "gpus"): parse_quota(QUOTA)})


def decide(cluster: ClusterView) -> object:
    claim = claim_with(*SELECTORS)
    case = Case(claim, "team-a", cluster)
    return validate_claims(case, Rulebook()), quota_charges(claim, case)


def ms(call: Callable[[], object]) -> float:
    started = time.process_time_ns()
    call()
    return (time.process_time_ns() - started) / 1e6


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def measure(count: int, shapes: int, kind: str) -> None:
    single = kind == "single"
    decide(view(slices(A_NODE, shapes, single=single)))  # what every process has: compiled rules and selectors
    gc.collect()
    idle = resident_mb()
    parts = slices(count, shapes, single=single)
    cluster = view(parts)
    first = ms(partial(decide, cluster))
    gc.collect()
    weight = resident_mb() - idle
    warm = sorted(ms(partial(decide, cluster)) for _ in range(WARM))
    cold = [first]
    for _ in range(COLD):
        again = view(slices(count, shapes, single=single))
        cold.append(ms(partial(decide, again)))
    updates = []
    current = dict(parts)
    decide(view(current))
    for round_ in range(COLD * 2):
        changed = slice_of(round_, shapes, single=single, model=1)
        current = {**current, changed.name: changed}
        updated = view(current)
        made = ms(partial(inventory_of, updated))
        updates.append((made, ms(partial(decide, updated))))
    inventory_ms = statistics.median(made for made, _ in updates)
    decide_ms = statistics.median(decided for _, decided in updates)
    print(
        f"{count:>7} {shapes:>5} {kind:<7} cold {statistics.median(cold):7.1f} ms  "
        f"warm p50 {warm[len(warm) // 2]:6.2f} p99 {warm[len(warm) * 99 // 100]:6.2f} ms  "
        f"after one slice {inventory_ms:6.1f} + {decide_ms:6.1f} ms  memory {weight:6.1f} MB"
    )


OWN = "device.attributes['gpu.example.com']"
ASKED = (
    claim_with(*SELECTORS),
    claim_with(f"{OWN}.modell == 'model-1'"),
    claim_with(f"{OWN}.model == 'model-x'"),
    claim_with(f"{OWN}.model == 'model-7' && {OWN}.index == 9"),
    claim_with(allocationMode="All"),
    claim_with(capacity={"memory": "1Ti"}),
    make_claim(request("a", count=2), request("b"), constraints=[{"matchAttribute": "gpu.example.com/index"}]),
)


def measure_odd(count: int) -> None:
    """Print what claims take on devices that have nothing alike, and the longest step."""
    for claim in ASKED:  # what every process has
        validate_claims(Case(claim, "team-a", view({"few": odd_slice(0)})), Rulebook())
    parts = {part.name: part for part in map(odd_slice, range(count // A_NODE))}
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)  # as the server does
    cluster = view(parts)
    looks = [time.thread_time_ns()]

    def expired() -> bool:
        looks.append(time.thread_time_ns())
        return False

    for claim in ASKED:
        case = Case(claim, "team-a", cluster, expired)
        validate_claims(case, Rulebook())
        quota_charges(claim, case)
        expired()
    steps = sorted((after - before) / 1e6 for before, after in pairwise(looks))
    print(
        f"{count:>7} odd devices, {len(ASKED)} claims: {(looks[-1] - looks[0]) / 1e9:.1f} s, "
        f"longest steps {', '.join(f'{step:.0f}' for step in reversed(steps[-5:]))} ms"
    )


def main() -> None:
    if len(sys.argv) == 4 and sys.argv[3] == "odd":
        measure_odd(int(sys.argv[1]))
        return
    if len(sys.argv) == 4:
        measure(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
        return
    for count, shapes, kind in KINDS:
        subprocess.run([sys.executable, "-m", "benchmarks.inventory", str(count), str(shapes), kind], check=True)


if __name__ == "__main__":
    main()

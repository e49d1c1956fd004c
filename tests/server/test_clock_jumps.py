"""The wall clock of a running server jumps: deadlines, pauses and answers do not care."""

import json
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from tests.controlplane.programs import Programs
from tests.support.build import claim_object, class_object, device, request, slice_object
from tests.support.moved_clock import MovedClock
from tests.support.standalone import Standalone, write

HOUR = 3600
JUMPS = (HOUR, -HOUR // 2, 10 * 24 * HOUR, 0, -HOUR // 2, HOUR)
"""Within the life of the certificate, which begins an hour ago."""


def test_a_clock_that_jumps_while_reviews_are_decided_disturbs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("cc") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("there is no C compiler to build the moved clock with")
    cluster, clock = tmp_path / "cluster", MovedClock(tmp_path)
    cluster.mkdir()
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-a"}}
    write(cluster, "cluster.yaml", namespace, class_object(), slice_object(device("gpu-0")))
    over = threading.Event()
    with Programs(tmp_path / "logs") as programs:
        with monkeypatch.context() as patched:
            for name, value in clock.environment.items():
                patched.setenv(name, value)
            server = Standalone(programs, cluster, tmp_path)

        def ask_until_over() -> bool:
            admitted = True
            while not over.is_set():
                admitted &= server.admits(claim_object(request("gpu"), uid=str(uuid4())))
            return admitted

        with ThreadPoolExecutor(2) as threads:
            asking = [threads.submit(ask_until_over) for _ in range(2)]
            for seconds in JUMPS:
                clock.move(seconds)
                time.sleep(0.3)
                assert server.process.probe("/readyz")[0] == 200
            over.set()
            assert all(each.result() for each in asking)
        assert server.process.stop() == 0
        logged = [json.loads(line)["ts"] for line in server.process.program.output().splitlines() if line[0] == "{"]
    moments = sorted(datetime.fromisoformat(ts) for ts in logged)
    assert moments[-1] - moments[0] > timedelta(days=9), "the clock of the server did not move"

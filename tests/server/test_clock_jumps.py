"""The wall clock of a running server jumps: deadlines, pauses and answers do not care."""

import json
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from tests.controlplane.programs import Programs
from tests.controlplane.waiting import wait_for
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

        def moments() -> list[datetime]:
            lines = server.process.program.output().splitlines()
            return [datetime.fromisoformat(json.loads(line)["ts"]) for line in lines if line[:1] + line[-1:] == "{}"]

        def follows(seconds: int, seen: int) -> bool:
            """Return whether a decision was logged since, at a time that the clock has moved to."""
            by_how_much = (moment - datetime.now(UTC) for moment in moments()[seen:])
            return any(abs(moved - timedelta(seconds=seconds)) < timedelta(minutes=10) for moved in by_how_much)

        with ThreadPoolExecutor(2) as threads:
            asking = [threads.submit(ask_until_over) for _ in range(2)]
            try:
                for seconds in JUMPS:
                    seen = len(moments())
                    clock.move(seconds)
                    wait_for("a decision at that time", partial(follows, seconds, seen))
                    assert server.process.probe("/readyz")[0] == 200
            finally:
                over.set()
            assert all(each.result() for each in asking)
        assert server.process.stop() == 0

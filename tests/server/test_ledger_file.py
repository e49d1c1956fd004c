"""The standalone ledger's file where its disk is full or it cannot be written: nothing is lost, nobody guesses."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.controlplane.drawbridge import DRAWBRIDGE
from tests.controlplane.programs import Programs
from tests.controlplane.waiting import wait_for
from tests.support.build import claim_object, class_object, device, request, slice_object
from tests.support.standalone import Standalone, review, write
from webhook.kube.sqlite_ledger import SqliteLedger

Json = dict[str, Any]
HARD = 500
ROOM = 512 * 1024
"""Bytes that the ledger may still grow by; the log of the process, for which the limit holds too, stays smaller."""


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    folder = tmp_path / "cluster"
    folder.mkdir()
    quota = {
        "apiVersion": "drawbridge.dev/v1alpha1",
        "kind": "DeviceQuota",
        "metadata": {"name": "gpus", "namespace": "team-a"},
        "spec": {"limits": [{"name": "devices", "devices": HARD}]},
    }
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-a"}}
    write(folder, "cluster.yaml", namespace, class_object(), slice_object(device("gpu-0")), quota)
    return folder


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    with Programs(tmp_path / "logs") as running:
        yield running


def claim(name: str = "c") -> Json:
    return claim_object(request("gpu"), name=name, uid=str(uuid4()))


def charged(file: Path) -> list[str]:
    """Return the names of the claims that the file says are charged."""
    ledger = SqliteLedger(file)
    entries = ledger.entries()
    ledger.close()
    assert all(entry.amounts == {("team-a", "gpus"): {"devices": 1}} for entry in entries)
    return sorted(entry.name for entry in entries)


@contextmanager
def room_for(server: Standalone, ledger: Path, more: int) -> Iterator[None]:
    """Let no file of the server grow beyond what the ledger has now and so many bytes."""
    pid, limit = server.process.program.pid, resource.RLIMIT_FSIZE
    before = resource.prlimit(pid, limit)
    resource.prlimit(pid, limit, (Path(f"{ledger}-wal").stat().st_size + more, before[1]))
    yield
    resource.prlimit(pid, limit, before)


def test_a_full_disk_lets_nobody_in_and_loses_nothing(programs: Programs, cluster: Path, tmp_path: Path) -> None:
    server, ledger = Standalone(programs, cluster, tmp_path), tmp_path / "ledger.sqlite"
    first = claim()
    assert server.admits(first)
    admitted, answer = 1, None
    with room_for(server, ledger, ROOM):
        while answer is None or answer.status == 200:
            admitted += answer is not None
            assert admitted < HARD
            answer = server.answer("/validate/claims", review(claim(), "CREATE", dry_run=False))
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert b"allowed" not in answer.body
        server.process.program.wait_for_output(r"quota ledger .*ledger\.sqlite: ")
        assert admitted > 5
        assert server.admits(first), "what is charged stays admitted"
    assert server.admits(claim())
    server.process.kill()
    assert len(charged(ledger)) == admitted + 1


def test_what_a_folder_shows_while_the_disk_is_full_is_charged_when_there_is_room(
    programs: Programs, cluster: Path, tmp_path: Path
) -> None:
    held = write(cluster, "held.yaml", claim("held"))
    server, ledger = Standalone(programs, cluster, tmp_path), tmp_path / "ledger.sqlite"
    assert charged(ledger) == ["held"]
    with room_for(server, ledger, 0):
        held.unlink()
        write(cluster, "late.yaml", claim("late"))
        server.process.program.wait_for_output(r'"msg":"folder","why":"quota ledger ')
        assert charged(ledger) == ["held"]
    wait_for("the charge", lambda: charged(ledger) == ["late"])


def started(cluster: Path, ledger: Path, *before: str) -> subprocess.CompletedProcess[str]:
    """Run a server that ends by itself, under a command that takes something from it."""
    options = ["--cluster", cluster, "--ledger", ledger, "--cert-dir", ledger.with_name("certs"), "--port", "0"]
    command = [*before, str(DRAWBRIDGE), "serve", "--health-port", "0", *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_ledger_that_cannot_be_written_is_said_at_start(cluster: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    (place / "certs").mkdir(parents=True)
    ledger = place / "ledger.sqlite"
    ledger.touch(0o444)
    place.chmod(0o555)
    done = started(cluster, ledger, *_as_a_user())
    assert (done.returncode, done.stdout) == (2, "")
    assert f"--ledger '{ledger}': attempt to write a readonly database; nothing was changed" in done.stderr


def test_a_disk_without_room_for_the_claims_of_the_folder_is_said_at_start(cluster: Path, tmp_path: Path) -> None:
    write(cluster, "claims.yaml", *(claim(f"claim-{number}") for number in range(1_000)))
    done = started(cluster, tmp_path / "ledger.sqlite", "prlimit", f"--fsize={ROOM // 4}", "--")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"drawbridge: quota ledger {tmp_path}/ledger.sqlite: ")
    assert "Traceback" not in done.stderr


def _as_a_user() -> list[str]:
    """Return what takes from root the right to write whatever it likes (capabilities(7))."""
    return [] if os.geteuid() else ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--"]

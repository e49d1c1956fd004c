"""Programs started for a test: their output in files, and a promise that they end with the test."""

import atexit
import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

STOP_SECONDS = 20


class ProgramEndedError(Exception):
    """A program ended before it said what was waited for; the text holds the end of its output."""


class Program:
    """One running program. Standard output and standard error go to `log`."""

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str], stop_signal: signal.Signals
    ) -> None:
        self.name = name
        self.log = log
        self._start_of_log = log.stat().st_size if log.exists() else 0
        self._stop_signal = stop_signal
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*_dies_with_its_parent(), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                start_new_session=True,  # Ctrl-C reaches pytest alone, which then stops the programs in their order
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number if one ended it."""
        return self._process.poll()

    def processor_seconds(self) -> float:
        """How long it has computed, by itself and in the kernel (proc(5): `utime` and `stime`)."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def output(self) -> str:
        """What it has written since it was started."""
        with self.log.open("rb") as log:
            log.seek(self._start_of_log)
            return log.read().decode(errors="replace")

    def wait_for_output(self, pattern: str, seconds: float = 30) -> re.Match[str]:
        """The first match of `pattern` in its output (`^` and `$` by line); ProgramEndedError, TimeoutError."""
        deadline = time.monotonic() + seconds
        while True:
            ended = self.exit_code is not None
            if found := re.search(pattern, self.output(), re.MULTILINE):
                return found
            if ended:
                raise ProgramEndedError(f"{self.name} ended with {self.exit_code}:\n{self.output()[-3000:]}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} wrote no {pattern!r} in {seconds:g} s:\n{self.output()[-3000:]}")
            time.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self.exit_code is None:
            self._process.send_signal(number)

    def stop(self, number: signal.Signals | None = None, seconds: float = STOP_SECONDS) -> int:
        """Send its stop signal (or another), wait, and return the exit code; what does not end in time is killed."""
        self.send(number or self._stop_signal)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def kill(self) -> int:
        """End it as a crash would."""
        return self.stop(signal.SIGKILL)


def _dies_with_its_parent() -> list[str]:
    """A prefix, where util-linux has it: the *thread* that started the program takes it along when it ends."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


class Programs:
    """All programs of a test session; leaving the context ends them, the last first. Start in the main thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[Program] = []
        self._told: dict[str, int] = {}

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        atexit.register(self.stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        atexit.unregister(self.stop)

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> Program:
        """Start a program; a second one of the same name appends to the same log."""
        program = Program(name, command, self._folder / f"{name}.log", environment or {}, stop_signal)
        self._started.append(program)
        return program

    def running(self, name: str) -> Program:
        """The program that was started last under a name."""
        return next(program for program in reversed(self._started) if program.name == name)

    def stop(self) -> None:
        """End everything that still runs."""
        while self._started:
            with contextlib.suppress(ProcessLookupError):
                self._started.pop().stop()

    def logs(self, lines: int = 40, width: int = 400) -> dict[str, str]:
        """The last lines of what each program wrote since `forget_logs`, for the report of a failed test."""
        written = {}
        for file in sorted(self._folder.glob("*.log")):
            with file.open("rb") as log:
                log.seek(self._told.get(file.name, 0))
                written[file.stem] = log.read().decode(errors="replace").splitlines()[-lines:]
        return {name: "\n".join(line[:width] for line in told) for name, told in written.items() if told}

    def forget_logs(self) -> None:
        """What was written until now belongs to a test that is over."""
        self._told = {file.name: file.stat().st_size for file in self._folder.glob("*.log")}

"""Drawbridge's own programs, run as a user runs them, beside the control plane."""

import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from tests.controlplane.programs import Program, Programs

DRAWBRIDGE = Path(sys.executable).with_name("drawbridge")
SERVING = r"^drawbridge: serving on https://(\S+):(\d+), health on http://(\S+):(\d+)$"


def issue_certificates(folder: Path) -> Path:
    """Make a CA and a serving certificate for 127.0.0.1 as operators do; returns the CA's file, the `caBundle`."""
    command = [str(DRAWBRIDGE), "certs", "issue", "--cert-dir", str(folder), "--host", "127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "ca.crt"


def metrics_at(address: str) -> str:
    """Return a process's `/metrics`."""
    with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def metric_at(address: str, series: str) -> float | None:
    """Return the figure of a series, its labels as they are written, of a process's `/metrics`; None if it is not."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", metrics_at(address), re.MULTILINE)
    return float(found[1]) if found else None


class ServeProcess:
    """`drawbridge serve` on free loopback ports; who asks for a port waits until it listens. `Programs.stop` ends it if
    the test does not.
    """

    def __init__(
        self, programs: Programs, options: Sequence[str | Path], name: str = "serve", cert_dir: Path | None = None
    ) -> None:
        ports = ["--host", "127.0.0.1", "--port", "0", "--health-port", "0"]
        certificates = ["--cert-dir", str(cert_dir)] if cert_dir else []
        command = [str(DRAWBRIDGE), "serve", *ports, *certificates, *map(str, options)]
        self.program: Program = programs.start(name, command)

    @property
    def port(self) -> int:
        """The TLS port."""
        return int(self._announced[2])

    @property
    def health_port(self) -> int:
        """The plain port."""
        return int(self._announced[4])

    @property
    def url(self) -> str:
        """Where the webhooks are, without a trailing slash."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def health_url(self) -> str:
        """Where `/livez`, `/readyz` and `/metrics` are."""
        return f"http://127.0.0.1:{self.health_port}"

    @cached_property
    def _announced(self) -> re.Match[str]:
        return self.program.wait_for_output(SERVING)

    def probe(self, path: str) -> tuple[int, str]:
        """Return the status and the text of a probe."""
        try:
            with urllib.request.urlopen(f"{self.health_url}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def is_ready(self) -> bool:
        """Return whether `/readyz` says so."""
        return self.probe("/readyz")[0] == 200

    def metric(self, series: str) -> float | None:
        """Return one of the figures that it serves at `/metrics`."""
        return metric_at(self.health_url, series)

    def answered(self, endpoint: str = "/validate/claims") -> int:
        """How many reviews it has decided at an endpoint."""
        return int(self.metric(f'drawbridge_admission_duration_seconds_count{{endpoint="{endpoint}"}}') or 0)

    def stop(self, seconds: float = 40) -> int:
        """SIGTERM: drain and end; returns the exit code."""
        return self.program.stop(seconds=seconds)

    def kill(self) -> int:
        """SIGKILL, as a node that is lost."""
        return self.program.kill()


class ControllerProcess:
    """`drawbridge controller` against a cluster."""

    def __init__(
        self, programs: Programs, kubeconfig: Path, options: Sequence[str] = (), name: str = "controller"
    ) -> None:
        self.program: Program = programs.start(
            name, [str(DRAWBRIDGE), "controller", "--kubeconfig", str(kubeconfig), *options]
        )

    @property
    def health_url(self) -> str:
        """Where `/livez`, `/readyz` and `/metrics` are."""
        return str(self.program.wait_for_output(r'"address":\s*"(http://[^"]+)"')[1])

    def metric(self, name: str) -> float:
        """Return one of the figures that it serves at `/metrics`."""
        found = metric_at(self.health_url, name)
        assert found is not None, f"no metric {name}"
        return found

    def stop(self) -> int:
        """SIGTERM: give the lease back and end; returns the exit code."""
        return self.program.stop()

    def kill(self) -> int:
        """SIGKILL."""
        return self.program.kill()

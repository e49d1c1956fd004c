"""Commands as pages show them, run in a shell against a control plane."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.controlplane.build import control_plane, helm
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import DRAWBRIDGE
from tests.support.golang import REPOSITORY

OF_CLIENT_GO = re.compile(r"I\d{4} \S+ +\d+ reflector\.go:")


def commands_of(page: str, heading: str, level: str = "##") -> list[str]:
    """Return the lines of the code blocks under a heading of a page, "README.md", in the repository."""
    text = (REPOSITORY / page).read_text()
    section = re.search(rf"^{level} {re.escape(heading)}\n(.*?)(?=^{level} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"{page} has no {heading}"
    fenced = re.findall(r"^```([^\n]*)\n(.*?)^```$", section[1], re.MULTILINE | re.DOTALL)
    blocks = [block for language, block in fenced if not language]
    assert blocks, f"{page}, {heading}: no commands"
    return [line for block in blocks for line in block.splitlines()]


def run_shown(cluster: ControlPlane, command: str) -> str:
    """Run a command at the top of the repository and return what it prints; AssertionError where it complains."""
    with running_shown(cluster, command) as started:
        printed, complained = started.communicate(timeout=120)
    assert started.returncode == 0, complained
    assert complaints(complained) == []
    return printed


@contextmanager
def running_shown(cluster: ControlPlane, command: str) -> Iterator["subprocess.Popen[str]"]:
    """The command while it runs; it ends with the block."""
    programs = [build.program(name).parent for build, name in ((control_plane(), "kubectl"), (helm(), "helm"))]
    environment = {
        **os.environ,
        "PATH": ":".join(map(str, (*programs, os.environ["PATH"]))),
        "KUBECONFIG": str(cluster.kubeconfig()),
        "DRAWBRIDGE": str(DRAWBRIDGE),
        "HOME": str(cluster.folder),
    }
    with subprocess.Popen(
        command,
        shell=True,
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def complaints(stderr: str) -> list[str]:
    """Return what was written but for Helm's word on the CRDs, which the chart has by a link, and its client's log.

    Helm waits by watches; some of their ends are told as "watch ended with error: context canceled".
    """
    lines = stderr.splitlines()
    return [line for line in lines if "found symbolic link in path" not in line and not OF_CLIENT_GO.match(line)]

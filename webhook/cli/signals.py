"""What a signal does while a program that is to run for long still starts."""

import signal
from types import FrameType
from typing import NoReturn


def end_when_told() -> None:
    """Let SIGTERM end the program, with the exit code that a shell gives it, until its event loop takes the signal.

    Without a handler the kernel keeps it from the first process of a container (signal(7), pid_namespaces(7)): a pod
    that is deleted while it starts would serve until it is killed.
    """
    signal.signal(signal.SIGTERM, _end)


def _end(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)

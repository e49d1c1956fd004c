"""Waiting for what a cluster does in its own time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(what: str, check: Callable[[], T | None], seconds: float = 30) -> T:
    """The first truthy value of `check`; TimeoutError, which says what was waited for and what was seen last."""
    deadline = time.monotonic() + seconds
    while True:
        seen = check()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds:g} s still no {what}; seen last: {seen!r}")
        time.sleep(0.05)

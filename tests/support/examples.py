"""How many examples a law is tried on: the usual number, or as many as LONG_TESTS says (`make long-tests`)."""

import os


def examples(usual: int) -> int:
    return int(os.environ.get("LONG_TESTS") or usual)

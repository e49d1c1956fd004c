"""Whose fault an exception was, and which rules keep failing."""

from collections import deque
from collections.abc import Callable
from time import monotonic
from traceback import walk_tb

_RULES = "webhook.rules."
_AROUND_RULES = f"{_RULES}merging"
_OFTEN = 3
_WINDOW_SECONDS = 600.0


def rule_at_fault(error: BaseException) -> str:
    """Return the rule that an exception came out of, as its file is called; empty where it was none."""
    for frame, _ in walk_tb(error.__traceback__):
        module = frame.f_globals["__name__"]
        if module.startswith(_RULES) and module != _AROUND_RULES:
            return str(module).removeprefix(_RULES).replace("_", "-")
    return ""


class RuleFaults:
    """Remembers when rules failed; noted on one loop, read on another."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._last: dict[str, deque[float]] = {}

    def note(self, rule: str) -> None:
        self._last.setdefault(rule, deque(maxlen=_OFTEN)).append(self._clock())

    def failing(self) -> tuple[str, ...]:
        """Return the rules that failed at least three times in the last ten minutes."""
        since = self._clock() - _WINDOW_SECONDS
        return tuple(
            sorted(rule for rule, last in tuple(self._last.items()) if len(last) == _OFTEN and last[0] >= since)
        )

    def problem(self) -> str:
        """Return what whoever looks at readiness is told; empty where no rule keeps failing."""
        names = ", ".join(f"'{rule}'" for rule in self.failing())
        return f"{names} failed several times in ten minutes; the log has the uids" if names else ""

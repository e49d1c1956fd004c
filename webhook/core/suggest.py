"""The nearest known names to a mistyped one, for did-you-mean."""

import re
from collections.abc import Iterable
from itertools import islice

MOST_SUGGESTIONS = 3
MOST_COMPARED = 20_000
"""How many names one is held against; only a hostile driver publishes more."""
_DIGITS = re.compile(r"\d+")


def nearest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return at most three known names near the given one, best first; none where nothing is near.

    Near is an optimal-string-alignment distance of at most a third of the length (at least 1), where letter case,
    `_` and `-` count for nothing, or one name being a leading or closing part of the other.
    """
    wanted = _folded(name)
    among = islice(dict.fromkeys(known), MOST_COMPARED)
    scored = sorted((score, other) for other in among if (score := _score(wanted, other)) is not None)
    return tuple(other for _, other in scored[:MOST_SUGGESTIONS])


def explains(near: str, name: str) -> bool:
    """Return whether a slip of the pen turns the near name into the given one, so that it can hardly be meant.

    That is a difference of case, `_` and `-`, or of one letter in six, two at most; never of digits, for
    `partition2` is no mistyped `partition1`.
    """
    if _DIGITS.findall(near) != _DIGITS.findall(name):
        return False
    one, other = _folded(near), _folded(name)
    most = min(2, max(1, min(len(one), len(other)) // 6 + 1)) if min(len(one), len(other)) > 3 else 0
    return distance(one, other, most) <= most


def _folded(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _score(wanted: str, other: str) -> int | None:
    candidate = _folded(other)
    most = max(1, max(len(wanted), len(candidate)) // 3)
    # Each change of one letter takes at most one away and brings at most one in.
    if len(set(wanted) ^ set(candidate)) <= 2 * most:
        apart = distance(wanted, candidate, most)
        if apart <= most:
            return apart
    shorter, longer = sorted((wanted, candidate), key=len)
    if len(shorter) >= 4 and (longer.startswith(shorter) or longer.endswith(shorter)):
        return most + 1
    return None


def distance(one: str, other: str, most: int) -> int:
    """Return the optimal-string-alignment distance of two texts, or `most` + 1 where it is larger than `most`."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        now = [row]
        for column, against in enumerate(other, start=1):
            cost = min(last[column] + 1, now[column - 1] + 1, last[column - 1] + (letter != against))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == against:
                cost = min(cost, before[column - 2] + 1)
            now.append(cost)
        if min(now) > most:
            return most + 1
        before, last = last, now
    return min(last[-1], most + 1)

"""What one expression gave on each device of an inventory, as far as it has been asked."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Final

_FALSE: Final = 0
_TRUE: Final = 1
_UNKNOWN: Final = 2
_FIRST_ERROR: Final = 3
_MOST_ERRORS: Final = 200
_OTHER: Final = "another error"

_ONLY_TRUE: Final = bytes(int(code == _TRUE) for code in range(256))
_ONLY_ERRORS: Final = bytes(int(code >= _FIRST_ERROR) for code in range(256))

Outcome = bool | str
"""What a selector gives on a device: true, false, or the text of the error that it ends in."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """One byte a device; `left` are the stretches (start, end) that have not been judged yet.

    Errors are kept by their text, the first two hundred of them.
    """

    codes: bytes
    errors: tuple[str, ...] = ()
    left: tuple[tuple[int, int], ...] = ()

    @staticmethod
    def unknown(count: int) -> "Outcomes":
        return Outcomes(bytes([_UNKNOWN]) * count, left=((0, count),) if count else ())

    def __len__(self) -> int:
        return len(self.codes)

    def of(self, number: int) -> Outcome:
        """Return what it gave on one device, which must have been judged."""
        code = self.codes[number]
        return code == _TRUE if code < _UNKNOWN else (*self.errors, _OTHER)[code - _FIRST_ERROR]

    def __iter__(self) -> Iterator[Outcome]:
        told: list[Outcome] = [False, True, "", *self.errors, _OTHER]
        return (told[code] for code in self.codes)

    def true(self) -> bytes:
        """Return one byte a device: 1 where the expression is true."""
        return self.codes.translate(_ONLY_TRUE)

    def failing(self) -> bytes:
        """Return one byte a device: 1 where the expression ends in an error."""
        return self.codes.translate(_ONLY_ERRORS)

    def judged(self, start: int, found: Sequence[Outcome], left: tuple[tuple[int, int], ...]) -> "Outcomes":
        """Return the outcomes with those found from a device on; `left` remain."""
        errors = {text: code for code, text in enumerate(self.errors, start=_FIRST_ERROR)}
        known: dict[Outcome, int] = {False: _FALSE, True: _TRUE}
        for outcome in dict.fromkeys(found):
            if isinstance(outcome, str):
                known[outcome] = _code(outcome, errors)
        codes = bytes(map(known.__getitem__, found))
        return Outcomes(self.codes[:start] + codes + self.codes[start + len(codes) :], tuple(errors), left)

    def moved(self, runs: Iterable[tuple[int | None, int]]) -> "Outcomes":
        """Return the outcomes for devices that stand elsewhere now, in runs of (where before, how many)."""
        pieces = []
        left: list[tuple[int, int]] = []
        at = 0
        for before, length in runs:
            if before is None:
                pieces.append(bytes([_UNKNOWN]) * length)
                left.append((at, at + length))
            else:
                pieces.append(self.codes[before : before + length])
                left += _within(self.left, before, length, at)
            at += length
        return replace(self, codes=b"".join(pieces), left=tuple(left))


def _code(error: str, errors: dict[str, int]) -> int:
    if error not in errors and len(errors) == _MOST_ERRORS:
        return _FIRST_ERROR + _MOST_ERRORS
    return errors.setdefault(error, _FIRST_ERROR + len(errors))


def _within(stretches: Iterable[tuple[int, int]], before: int, length: int, at: int) -> Iterator[tuple[int, int]]:
    """Yield what of the stretches lies in a run, where the run stands now."""
    for start, end in stretches:
        first, last = max(start, before), min(end, before + length)
        if first < last:
            yield first - before + at, last - before + at


Mask = bytes
"""One byte a device: 1 for those that are meant."""


def in_all(masks: Iterable[Mask]) -> Mask:
    """Return the devices that are in every mask; there must be one."""
    first, *others = masks
    met = int.from_bytes(first)
    for other in others:
        met &= int.from_bytes(other)
    return met.to_bytes(len(first))


def numbers(mask: Mask) -> Iterator[int]:
    return compress(range(len(mask)), mask)

"""Semantic versions: parsing, precedence and the normalising forms (blang/semver, apiserver library/semverlib.go)."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import ClassVar, Final

from webhook.cel.functions.dispatch import FunctionTable, Overload
from webhook.cel.functions.texts import go_quoted
from webhook.cel.types import BOOL, STRING, Kind, Type
from webhook.cel.values import MOST_UINT, EvaluationError, Opaque

_DIGITS: Final = re.compile(r"[0-9]*", re.ASCII)
_NAME: Final = re.compile(r"[0-9A-Za-z-]*", re.ASCII)


class SemverError(EvaluationError):
    """The text is not a semantic version, in the words of the reference."""


class Version(Opaque):
    """A semantic version. `key` orders by precedence; what follows a plus sign does not count."""

    __slots__ = ("build", "key", "major", "minor", "patch", "prerelease")

    cel_type: ClassVar[str] = "kubernetes.Semver"

    def __init__(
        self, numbers: tuple[int, int, int], prerelease: tuple[int | str, ...] = (), build: tuple[str, ...] = ()
    ) -> None:
        self.major, self.minor, self.patch = numbers
        self.prerelease = prerelease
        self.build = build
        parts = tuple((0, part, b"") if isinstance(part, int) else (1, 0, part.encode()) for part in prerelease)
        self.key = (*numbers, not prerelease, parts)

    def same(self, other: Opaque) -> bool:
        return isinstance(other, Version) and self.key == other.key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        text = f"{self.major}.{self.minor}.{self.patch}"
        if self.prerelease:
            text += "-" + ".".join(map(str, self.prerelease))
        if self.build:
            text += "+" + ".".join(self.build)
        return text


@lru_cache(maxsize=4096)
def parse_version(text: str) -> Version:
    """The version; SemverError for a text that is none."""
    if not text:
        raise SemverError("Version string empty")
    parts = text.split(".", 2)
    if len(parts) != 3:
        raise SemverError("No Major.Minor.Patch elements found")
    major, minor = _part("major", parts[0]), _part("minor", parts[1])
    rest, plus, build = parts[2].partition("+")
    rest, minus, prerelease = rest.partition("-")
    patch = _part("patch", rest)
    return Version(
        (major, minor, patch),
        tuple(map(_prerelease, prerelease.split("."))) if minus else (),
        tuple(map(_build, build.split("."))) if plus else (),
    )


def _part(name: str, text: str) -> int:
    if not _DIGITS.fullmatch(text):
        raise SemverError(f"Invalid character(s) found in {name} number {go_quoted(text)}")
    if len(text) > 1 and text[0] == "0":
        raise SemverError(f"{name.capitalize()} number must not contain leading zeroes {go_quoted(text)}")
    return _uint(text)


def _uint(text: str) -> int:
    if not text:
        raise SemverError('strconv.ParseUint: parsing "": invalid syntax')
    if len(text) > 20 or int(text) > MOST_UINT:
        raise SemverError(f"strconv.ParseUint: parsing {go_quoted(text)}: value out of range")
    return int(text)


def _prerelease(text: str) -> int | str:
    if not text:
        raise SemverError("Prerelease is empty")
    if _DIGITS.fullmatch(text):
        if len(text) > 1 and text[0] == "0":
            raise SemverError(f"Numeric PreRelease version must not contain leading zeroes {go_quoted(text)}")
        return _uint(text)
    if not _NAME.fullmatch(text):
        raise SemverError(f"Invalid character(s) found in prerelease {go_quoted(text)}")
    return text


def _build(text: str) -> str:
    if not text:
        raise SemverError("Build meta data is empty")
    if not _NAME.fullmatch(text):
        raise SemverError(f"Invalid character(s) found in build meta data {go_quoted(text)}")
    return text


def normalised(text: str) -> str:
    """The text without a leading v and leading zeros, with the missing parts filled up."""
    parts = [_without_zeros(part) for part in text.removeprefix("v").split(".", 2)]
    if len(parts) < 3:
        if "+" in parts[-1] or "-" in parts[-1]:
            raise SemverError("short version cannot contain PreRelease/Build meta data")
        parts += ["0"] * (3 - len(parts))
    return ".".join(parts)


def _without_zeros(part: str) -> str:
    if len(part) <= 1:
        return part
    stripped = part.lstrip("0")
    return stripped if stripped and stripped[0] in "0123456789" else "0" + stripped


def to_version(text: str, normalise: bool = False) -> Version:
    """`semver(text)`, `semver(text, true)`."""
    return parse_version(normalised(text) if normalise else text)


def is_version(text: str, normalise: bool = False) -> bool:
    """`isSemver(text)`, `isSemver(text, true)`."""
    try:
        to_version(text, normalise)
    except SemverError:
        return False
    return True


def compare_versions(left: Version, right: Version) -> int:
    """`a.compareTo(b)`."""
    return int(left.key > right.key) - int(left.key < right.key)


def _as_int(number: int) -> int:
    """A part of a version as an int; numbers of 64 bits wrap around."""
    return number - 2**64 if number >= 2**63 else number


_SEMVER: Final = Type(Kind.STRUCT, "kubernetes.Semver")


def _member(id_: str, run: Callable[..., object], *others: Type) -> Overload:
    return Overload(id_, (_SEMVER, *others), run)


FUNCTIONS: Final[FunctionTable] = {
    "semver": (
        Overload("string_to_semver", (STRING,), to_version),
        Overload("string_bool_to_semver", (STRING, BOOL), to_version),
    ),
    "isSemver": (
        Overload("is_semver_string", (STRING,), is_version),
        Overload("is_semver_string_bool", (STRING, BOOL), is_version),
    ),
    "isGreaterThan": (_member("semver_is_greater_than", lambda left, right: left.key > right.key, _SEMVER),),
    "isLessThan": (_member("semver_is_less_than", lambda left, right: left.key < right.key, _SEMVER),),
    "compareTo": (_member("semver_compare_to", compare_versions, _SEMVER),),
    "major": (_member("semver_major", lambda version: _as_int(version.major)),),
    "minor": (_member("semver_minor", lambda version: _as_int(version.minor)),),
    "patch": (_member("semver_patch", lambda version: _as_int(version.patch)),),
}

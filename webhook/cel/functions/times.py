"""Durations and timestamps: Go's texts for them, and their parts in any time zone (Go's time package)."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from webhook.cel.functions.dispatch import FunctionTable, Overload
from webhook.cel.functions.texts import go_quoted
from webhook.cel.types import DURATION, STRING, TIMESTAMP
from webhook.cel.values import LEAST_INT, MOST_INT, NANOS, Duration, EvaluationError, Timestamp, go_decimal

_UNITS: Final = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": NANOS, "m": 60 * NANOS}
_UNITS["h"] = 3600 * NANOS
_PART: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^0-9.]*)", re.ASCII)
_MOMENT: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]+))?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LEADING_DIGITS: Final = re.compile(r"[+-]?0*([0-9]+)", re.ASCII)
_OFFSET_NUMBER: Final = re.compile(r"[+-]?[0-9]+", re.ASCII)


def parse_duration(text: str) -> int | None:
    """The nanoseconds of a text such as `1h30m`, `-1.5s`, or None (time.ParseDuration)."""
    negative = text.startswith("-")
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    if not rest:
        return None
    total = 0
    while rest:
        found = _PART.match(rest)
        assert found is not None  # every part of the pattern may be empty
        whole, fraction, unit = found.groups()
        if (not whole and not fraction) or unit not in _UNITS:
            return None
        scale = _UNITS[unit]
        total += int(whole or "0") * scale if len(whole) < 25 else 2**64
        total += _fraction(fraction or "", scale)
        if total > 2**63:
            return None
        rest = rest[found.end() :]
    if negative:
        return -total
    return total if total <= MOST_INT else None


def _fraction(digits: str, scale: int) -> int:
    """The fraction's part of the unit; Go reads its digits until they fill 63 bits, and rounds in doubles."""
    number, power = 0, 1.0
    for digit in digits:
        following = number * 10 + int(digit)
        if following > MOST_INT:
            break
        number, power = following, power * 10
    return int(float(number) * (scale / power))


def printed_duration(value: Duration) -> str:
    """`string(duration)`: the seconds as a decimal number."""
    seconds, nanos = divmod(abs(value.nanos), NANOS)
    total = float(seconds) + nanos / 1e9
    return f"{go_decimal(-total if value.nanos < 0 else total)}s"


def days_from_civil(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar, for any year."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


def civil_from_days(days: int) -> tuple[int, int, int]:
    """Year, month and day of a day counted from 1970-01-01."""
    era, of_era = divmod(days + 719468, 146097)
    year_of_era = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month, of_year - (153 * shifted + 2) // 5 + 1


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def parse_timestamp(text: str) -> Timestamp | None:
    """The moment of a text in RFC 3339, as Go's time.Parse reads it, or None."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    if not 1 <= month <= 12 or hour > 23 or minute > 59 or second > 59:
        return None
    if not 1 <= day <= _DAYS[month - 1] + (month == 2 and _leap(year)):
        return None
    nanos = int((found.group(7) or "0")[:9].ljust(9, "0"))
    offset = _written_offset(found.group(8))
    if offset is None:
        return None
    seconds = days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset
    return Timestamp(seconds * NANOS + nanos, offset)


def _written_offset(zone: str) -> int | None:
    if zone == "Z":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 24 or minutes > 59:
        return None
    offset = hours * 3600 + minutes * 60
    return -offset if zone[0] == "-" else offset


def printed_timestamp(value: Timestamp) -> str:
    """`string(timestamp)`: RFC 3339 with as many digits as needed, in the zone in which it was written."""
    seconds, nanos = divmod(value.nanos, NANOS)
    days, of_day = divmod(seconds + value.offset, 86400)
    year, month, day = civil_from_days(days)
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    clock = f"{of_day // 3600:02d}:{of_day // 60 % 60:02d}:{of_day % 60:02d}"
    return f"{year:04d}-{month:02d}-{day:02d}T{clock}{fraction}{_printed_offset(value.offset)}"


def _printed_offset(offset: int) -> str:
    if offset == 0:
        return "Z"
    minutes = abs(offset) // 60
    return f"{'-' if offset < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


class _Clock(NamedTuple):
    """A moment on a clock in some zone."""

    days: int
    of_day: int
    nanos: int

    def date(self) -> tuple[int, int, int]:
        return civil_from_days(self.days)

    def day_of_year(self) -> int:
        return self.days - days_from_civil(self.date()[0], 1, 1)


def _clock(value: Timestamp, zone: str) -> _Clock:
    seconds, nanos = divmod(value.nanos, NANOS)
    days, of_day = divmod(seconds + _offset_at(seconds, zone), 86400)
    return _Clock(days, of_day, nanos)


def _offset_at(seconds: int, zone: str) -> int:
    if zone in ("UTC", ""):
        return 0
    if ":" in zone:
        return _fixed_offset(zone)
    return _seconds_east(_zone(zone), seconds)


def _fixed_offset(zone: str) -> int:
    hours_text, _, minutes_text = zone.partition(":")
    hours, minutes = _number(hours_text), _number(minutes_text)
    return 60 * (hours * 60 - minutes if zone.startswith("-") else hours * 60 + minutes)


def _number(text: str) -> int:
    digits = _LEADING_DIGITS.match(text)
    # Go notices that a number is too large before it has seen that the rest is none.
    if digits is not None and (len(digits.group(1)) > 40 or int(digits.group(1)) >= 2**64):
        raise EvaluationError(f"strconv.Atoi: parsing {go_quoted(text)}: value out of range")
    if not _OFFSET_NUMBER.fullmatch(text):
        raise EvaluationError(f"strconv.Atoi: parsing {go_quoted(text)}: invalid syntax")
    if not LEAST_INT <= int(text) <= MOST_INT:
        raise EvaluationError(f"strconv.Atoi: parsing {go_quoted(text)}: value out of range")
    return int(text)


@lru_cache(maxsize=256)
def _zone(name: str) -> tzinfo:
    if ".." in name or name[0] in "/\\":
        raise EvaluationError("time: invalid location name")
    if name == "Local":
        return UTC
    if "\0" in name:
        raise EvaluationError("invalid argument")
    # Go reads the name as the path of a file.
    path = "/".join(part for part in name.split("/") if part not in ("", "."))
    try:
        zone = ZoneInfo(path)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        if not path or any(known.startswith(f"{path}/") for known in available_timezones()):
            raise EvaluationError("is a directory") from None
        raise EvaluationError(f"unknown time zone {name}") from None
    if name.endswith(("/", "/.")):
        raise EvaluationError("not a directory")
    return zone


def _seconds_east(zone: tzinfo, seconds: int) -> int:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    try:
        offset = moment.astimezone(zone).utcoffset()
    except OverflowError:  # within a day of the years 1 and 9999
        offset = (moment + timedelta(days=2 if seconds < 0 else -2)).astimezone(zone).utcoffset()
    return 0 if offset is None else round(offset.total_seconds())


_Part = Callable[[_Clock], int]

# Per method: the ids without and with a time zone, and the part of the clock.
_PARTS: Final[dict[str, tuple[str, str, _Part]]] = {
    "getFullYear": ("timestamp_to_year", "timestamp_to_year_with_tz", lambda clock: clock.date()[0]),
    "getMonth": ("timestamp_to_month", "timestamp_to_month_with_tz", lambda clock: clock.date()[1] - 1),
    "getDayOfYear": ("timestamp_to_day_of_year", "timestamp_to_day_of_year_with_tz", _Clock.day_of_year),
    "getDayOfMonth": (
        "timestamp_to_day_of_month",
        "timestamp_to_day_of_month_with_tz",
        lambda clock: clock.date()[2] - 1,
    ),
    "getDate": (
        "timestamp_to_day_of_month_1_based",
        "timestamp_to_day_of_month_1_based_with_tz",
        lambda clock: clock.date()[2],
    ),
    "getDayOfWeek": (
        "timestamp_to_day_of_week",
        "timestamp_to_day_of_week_with_tz",
        lambda clock: (clock.days + 4) % 7,
    ),
    "getHours": ("timestamp_to_hours", "timestamp_to_hours_with_tz", lambda clock: clock.of_day // 3600),
    "getMinutes": ("timestamp_to_minutes", "timestamp_to_minutes_with_tz", lambda clock: clock.of_day // 60 % 60),
    "getSeconds": ("timestamp_to_seconds", "timestamp_to_seconds_tz", lambda clock: clock.of_day % 60),
    "getMilliseconds": (
        "timestamp_to_milliseconds",
        "timestamp_to_milliseconds_with_tz",
        lambda clock: clock.nanos // 10**6,
    ),
}


def _of_timestamp(part: _Part) -> Callable[..., int]:
    def get(value: Timestamp, zone: str = "UTC") -> int:
        return part(_clock(value, zone))

    return get


def _whole(unit: int) -> Callable[[Duration], int]:
    """The duration in whole units, truncated toward zero."""

    def get(value: Duration) -> int:
        whole = abs(value.nanos) // unit
        return -whole if value.nanos < 0 else whole

    return get


_DURATION_PARTS: Final = {
    "getHours": Overload("duration_to_hours", (DURATION,), _whole(3600 * NANOS)),
    "getMinutes": Overload("duration_to_minutes", (DURATION,), _whole(60 * NANOS)),
    "getSeconds": Overload("duration_to_seconds", (DURATION,), _whole(NANOS)),
    "getMilliseconds": Overload("duration_to_milliseconds", (DURATION,), _whole(10**6)),
}

FUNCTIONS: Final[FunctionTable] = {
    name: (
        Overload(plain, (TIMESTAMP,), _of_timestamp(part)),
        Overload(zoned, (TIMESTAMP, STRING), _of_timestamp(part)),
        *((_DURATION_PARTS[name],) if name in _DURATION_PARTS else ()),
    )
    for name, (plain, zoned, part) in _PARTS.items()
}

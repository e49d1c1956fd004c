"""Named formats: `format.dns1123Label().validate(s)` (apiserver library/format.go)."""

import re
from collections.abc import Callable
from typing import ClassVar, Final

from webhook.cel.functions.dispatch import FunctionTable, Overload
from webhook.cel.functions.times import parse_timestamp
from webhook.cel.functions.urls import UrlError, check_request_uri
from webhook.cel.types import STRING, Kind, Type
from webhook.cel.values import NONE, Opaque, Optional, Value

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = _LABEL + "(\\." + _LABEL + ")*"
_LABEL_1035: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
_KEY: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_TIME: Final = "([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))"
_UUID: Final = "[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"
_BASE64: Final = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})"

# How long the reference takes the patterns to be, for the cost.
_TIME_LENGTH: Final = 71
_UUID_LENGTH: Final = 70


def _full(pattern: str, flags: re.RegexFlag = re.NOFLAG) -> Callable[[str], re.Match[str] | None]:
    return re.compile(pattern, re.ASCII | flags).fullmatch


_is_label: Final = _full(_LABEL)
_is_subdomain: Final = _full(_SUBDOMAIN)
_is_label_1035: Final = _full(_LABEL_1035)
_is_key: Final = _full(_KEY)
_is_value: Final = _full(f"({_KEY})?")
_time: Final = _full(_TIME)
_is_uuid: Final = _full(_UUID, re.IGNORECASE)
_is_base64: Final = _full(_BASE64)
_is_date_form: Final = _full("[0-9]{4}-[0-9]{2}-[0-9]{2}")


class NamedFormat(Opaque):
    """A format: `problems` lists what is wrong with a text, `pattern_length` counts for the cost."""

    __slots__ = ("name", "pattern_length", "problems")

    cel_type: ClassVar[str] = "kubernetes.NamedFormat"

    def __init__(self, name: str, pattern_length: int, problems: Callable[[str], list[str]]) -> None:
        self.name = name
        self.pattern_length = pattern_length
        self.problems = problems

    def same(self, other: Opaque) -> bool:
        return isinstance(other, NamedFormat) and self.name == other.name


def _too_long(text: str, most: int, unit: str = "characters") -> list[str]:
    return [f"must be no more than {most} {unit}"] if len(text.encode()) > most else []


def _expected(what: str, pattern: str, *examples: str) -> str:
    listed = " or ".join(f"'{example}', " for example in examples)
    return f"{what} (e.g. {listed}regex used for validation is '{pattern}')"


def _label(text: str) -> list[str]:
    problems = _too_long(text, 63)
    if not _is_label(text):
        if _is_subdomain(text):
            problems.append("must not contain dots")
        else:
            what = (
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
                "and end with an alphanumeric character"
            )
            problems.append(_expected(what, _LABEL, "my-name", "123-abc"))
    return problems


def _subdomain(text: str) -> list[str]:
    problems = _too_long(text, 253)
    if not _is_subdomain(text):
        what = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
            "start and end with an alphanumeric character"
        )
        problems.append(_expected(what, _SUBDOMAIN, "example.com"))
    return problems


def _label_1035(text: str) -> list[str]:
    problems = _too_long(text, 63)
    if not _is_label_1035(text):
        what = (
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
            "character, and end with an alphanumeric character"
        )
        problems.append(_expected(what, _LABEL_1035, "my-name", "abc-123"))
    return problems


def _qualified_name(text: str) -> list[str]:
    allowed = "alphanumeric characters, '-', '_' or '.'"
    what = f"must consist of {allowed}, and must start and end with an alphanumeric character"
    expected = _expected(what, _KEY, "MyName", "my.name", "123-abc")
    prefix, slash, name = text.partition("/")
    if "/" in name:
        whole = (
            f"a valid label key {expected} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        )
        return [whole]
    problems: list[str] = []
    if slash:
        problems = [f"prefix part {problem}" for problem in _subdomain(prefix)]
        if not prefix:
            problems = ["prefix part must be non-empty"]
    else:
        name = text
    if not name:
        problems.append("name part must be non-empty")
    problems += [f"name part {problem}" for problem in _too_long(name, 63, "bytes")]
    if not _is_key(name):
        problems.append(f"name part {expected}")
    return problems


def _label_value(text: str) -> list[str]:
    problems = _too_long(text, 63, "bytes")
    if not _is_value(text):
        what = (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
            "start and end with an alphanumeric character"
        )
        problems.append(_expected(what, f"({_KEY})?", "MyValue", "my_value", "12345"))
    return problems


def _as_prefix(check: Callable[[str], list[str]]) -> Callable[[str], list[str]]:
    """A name that something is appended to may end in a dash; the reference cuts one character too many."""
    return lambda text: check(text[:-2] + "a" if len(text) > 1 and text.endswith("-") else text)


def _uri(text: str) -> list[str]:
    try:
        check_request_uri(text)
    except UrlError as error:
        return [str(error)]
    return []


def _verdict(valid: Callable[[str], object], problem: str) -> Callable[[str], list[str]]:
    return lambda text: [] if valid(text) else [problem]


def _is_date(text: str) -> bool:
    return bool(_is_date_form(text)) and parse_timestamp(f"{text}T00:00:00Z") is not None


def _is_datetime(text: str) -> bool:
    parts = text.lower().split("t")
    if len(text) < 4 or len(parts) < 2 or not _is_date(parts[0]):
        return False
    found = _time(parts[1])
    return found is not None and found.group(1) <= "23" and found.group(2) <= "59" and found.group(3) <= "59"


FORMATS: Final = {
    "dns1123Label": NamedFormat("DNS1123Label", 30, _label),
    "dns1123Subdomain": NamedFormat("DNS1123Subdomain", 60, _subdomain),
    "dns1035Label": NamedFormat("DNS1035Label", 30, _label_1035),
    "qualifiedName": NamedFormat("QualifiedName", 60, _qualified_name),
    "dns1123LabelPrefix": NamedFormat("DNS1123LabelPrefix", 30, _as_prefix(_label)),
    "dns1123SubdomainPrefix": NamedFormat("DNS1123SubdomainPrefix", 60, _as_prefix(_subdomain)),
    "dns1035LabelPrefix": NamedFormat("DNS1035LabelPrefix", 30, _as_prefix(_label_1035)),
    "labelValue": NamedFormat("LabelValue", 40, _label_value),
    "uri": NamedFormat("URI", 1103, _uri),
    "uuid": NamedFormat("uuid", _UUID_LENGTH, _verdict(_is_uuid, "does not match the UUID format")),
    "byte": NamedFormat("byte", 84, _verdict(_is_base64, "invalid base64")),
    "date": NamedFormat("date", _TIME_LENGTH, _verdict(_is_date, "invalid date")),
    "datetime": NamedFormat("datetime", _TIME_LENGTH, _verdict(_is_datetime, "invalid datetime")),
}


def named(name: str) -> Optional:
    """`format.named(name)`."""
    found = FORMATS.get(name)
    return Optional(found) if found is not None else NONE


def validate(checked: NamedFormat, text: str) -> Optional:
    """`f.validate(s)`: what is wrong, or nothing."""
    problems: list[Value] = list(checked.problems(text))
    return Optional(problems) if problems else NONE


def _constant(held: NamedFormat) -> Callable[[], NamedFormat]:
    return lambda: held


_FORMAT: Final = Type(Kind.STRUCT, "kubernetes.NamedFormat")

FUNCTIONS: Final[FunctionTable] = {
    "validate": (Overload("format-validate", (_FORMAT, STRING), validate),),
    "format.named": (Overload("format-named", (STRING,), named),),
    **{f"format.{name}": (Overload(f"format.{name}", (), _constant(held)),) for name, held in FORMATS.items()},
}

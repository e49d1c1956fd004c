"""What functions did before Kubernetes 1.37, which has cel-go 0.29 where the minors before have 0.26."""

from typing import Final

from webhook.cel.functions.conversions import legacy_duration_of_int
from webhook.cel.functions.dispatch import Implementation
from webhook.cel.functions.lists import MOST_RANGE
from webhook.cel.functions.strings import index_of, last_index_from
from webhook.cel.values import LIMIT_PASSED, AbandonedError, Value


def index_of_from(text: str, part: str, offset: int) -> int:
    """`s.indexOf(part, offset)`: the empty part is found anywhere, outside of the text, too."""
    return offset if not part else index_of(text, part, offset)


def last_index_of_from(text: str, part: str, offset: int) -> int:
    """`s.lastIndexOf(part, offset)`: likewise."""
    return offset if not part else last_index_from(text, part, offset)


def range_to(count: int) -> list[Value]:
    """`lists.range(n)`: empty for negative numbers, and without a bound but that of the cost."""
    if count > MOST_RANGE:
        raise AbandonedError(LIMIT_PASSED)
    return list(range(count))


# By overload.
LEGACY: Final[dict[str, Implementation]] = {
    "string_index_of_string_int": index_of_from,
    "string_last_index_of_string_int": last_index_of_from,
    "lists_range": range_to,
    "int64_to_duration": legacy_duration_of_int,
}

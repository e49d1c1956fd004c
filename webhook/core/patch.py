"""JSON Patch (RFC 6902): the operations that a rewrite needs."""

from dataclasses import dataclass

from webhook.core.finding import Json


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; `path` is a JSON Pointer into the object as received."""

    op: str
    path: str
    value: Json = None

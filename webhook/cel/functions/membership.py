"""`x in ['a', 'b']` with constants: the reference looks x up in a set made beforehand (interpreter/decorators.go)."""

from typing import Final

from webhook.cel.syntax import Uint
from webhook.cel.values import MOST_INT, MOST_UINT, MapKey, Value, map_key

_PRIMITIVE: Final = frozenset({bool, int, Uint, float, str})


def member_set(values: list[Value]) -> frozenset[MapKey] | None:
    """The keys by which the elements are found, equal numbers of other types included; None for other elements."""
    members: set[MapKey] = set()
    for value in values:
        if type(value) not in _PRIMITIVE:
            return None
        members.add(map_key(value))
        if type(value) is float:
            if -(2.0**63) < value < 2.0**63 and value == int(value):
                members.add(int(value))
            if 0 <= value < 2.0**64 and value == int(value):
                members.add(("uint", int(value)))
        elif type(value) is int:
            members.add(("double", float(value)))
            if 0 <= value <= MOST_UINT:
                members.add(("uint", value))
        elif type(value) is Uint:
            members.add(("double", float(value)))
            if value <= MOST_INT:
                members.add(int(value))
    return frozenset(members)

"""Fields and indices: `a.b`, `a['b']`, `a.?b`, `a[?0]`, `has(a.b)` (cel-go interpreter/attributes.go)."""

from typing import Final

from webhook.cel.syntax import Uint
from webhook.cel.values import (
    LISTS,
    MAPS,
    MESSAGE,
    MISSING,
    NONE,
    Duration,
    EvaluationError,
    Opaque,
    Optional,
    SummedQuantity,
    Timestamp,
    TypeValue,
    Value,
    find,
    go_text,
    no_such_key,
    no_such_overload,
    type_name,
)
from webhook.core.quantity import Quantity

_KEYS: Final = frozenset({str, int, Uint, bool, float})

# The names of Go's types, which some of the reference's messages contain.
_GO_TYPES: Final[dict[type, str]] = {
    bool: "types.Bool",
    int: "types.Int",
    Uint: "types.Uint",
    float: "types.Double",
    str: "types.String",
    bytes: "types.Bytes",
    type(None): "types.Null",
    Duration: "types.Duration",
    Timestamp: "types.Timestamp",
    Optional: "*types.Optional",
    TypeValue: "*types.Type",
    Quantity: "cel.Quantity",
    SummedQuantity: "*cel.Quantity",
}
_GO_OPAQUES: Final = {
    "kubernetes.Semver": "cel.Semver",
    "kubernetes.URL": "cel.URL",
    "kubernetes.NamedFormat": "cel.Format",
    "net.IP": "cel.IP",
    "net.CIDR": "cel.CIDR",
    MESSAGE: "*types.protoObj",
}


def go_type(value: Value) -> str:
    """The Go type that the reference has for the value."""
    kind = type(value)
    if kind in LISTS:
        return "*types.baseList"
    if kind in MAPS:
        return "*types.baseMap"
    if kind in _GO_TYPES:
        return _GO_TYPES[kind]
    return _GO_OPAQUES.get(type_name(value), "types.Unknown") if isinstance(value, Opaque) else "types.Unknown"


def unwrapped(value: Value) -> Value:
    """What an optional variable holds, before 1.37: a detour through Go's own values loses Kubernetes' types.

    May be an EvaluationError, which counts once it is used.
    """
    kind = type(value)
    if kind is TypeValue:
        return value.name
    if kind is Optional:
        return None if value is NONE else unwrapped(value.value)
    native = _NATIVE.get(type_name(value)) if isinstance(value, Opaque | Quantity) else None
    return EvaluationError(f"unsupported conversion to ref.Val: ({native}){go_text(value)}") if native else value


_NATIVE: Final = {
    "kubernetes.Quantity": "*resource.Quantity",
    "kubernetes.Semver": "semver.Version",
    "kubernetes.URL": "*url.URL",
    "net.IP": "netip.Addr",
    "net.CIDR": "netip.Prefix",
}


def checked_key(key: Value) -> Value:
    """The value of an index expression, if a value of its type can be one."""
    if type(key) not in _KEYS:
        raise EvaluationError(f"invalid qualifier type: {go_type(key)}")
    return key


def qualified(value: Value, key: Value) -> Value:
    """`value[key]`, which must be there."""
    kind = type(value)
    if kind in MAPS:
        found = find(value, key)
        if found is not MISSING:
            return found
    elif kind in LISTS:
        index = _index(key)
        if 0 <= index < len(value):
            return value[index]
        raise EvaluationError(f"index out of bounds: {go_text(key)}")
    elif type_name(value) == MESSAGE:
        raise _no_field(key)
    raise no_such_key(key)


def _no_field(key: Value) -> EvaluationError:
    """A message has no fields that are not declared, and the only one that comes here has none."""
    return EvaluationError(f"no such field '{key}'") if type(key) is str else no_such_overload()


def qualified_if_present(value: Value, key: Value) -> Value:
    """`value[key]`, or MISSING."""
    kind = type(value)
    if kind in MAPS:
        return find(value, key)
    if kind in LISTS:
        index = _index(key)
        if 0 <= index < len(value):
            return value[index]
    elif type_name(value) == MESSAGE:
        raise _no_field(key)
    return MISSING


def _index(key: Value) -> int:
    kind = type(key)
    if kind is int:
        return key  # type: ignore[no-any-return]  # just tested
    if kind is Uint or kind is float:
        if -(2.0**63) < key < 2.0**63 and key == int(key):
            return int(key)
        raise EvaluationError(f"unsupported index value {go_text(key)} in list")
    raise EvaluationError(f"unsupported index type '{type_name(key)}' in list")


def optional_entry(key: Value, value: Value) -> Value:
    """What an entry `?key: value` holds, or MISSING."""
    if type(value) is not Optional:
        raise EvaluationError(
            f"cannot initialize optional entry '{go_text(key)}' from non-optional value {go_text(value)}"
        )
    return MISSING if value is NONE else value.value


def optional_element(value: Value) -> Value:
    """What an element `?x` of a list holds, or MISSING."""
    if type(value) is not Optional:
        raise EvaluationError(f"cannot initialize optional list element from non-optional value {go_text(value)}")
    return MISSING if value is NONE else value.value

"""What calls of Kubernetes' own functions can cost, by name; those that are not here cost 1.

Source: k8s.io/apiserver pkg/cel/library/cost.go.
"""

from collections.abc import Mapping
from math import ceil
from typing import Final

from webhook.cel.sizes import (
    LIST_COST,
    MOST,
    REGEX_FACTOR,
    STRING_FACTOR,
    STRUCT_COST,
    Estimate,
    Estimating,
    Known,
    Size,
    pattern_cost,
    plus,
    scaled,
    times,
)
from webhook.cel.syntax import Call, Literal
from webhook.cel.types import Kind

_AUTHORIZATION_COST: Final = 350_000
_NAME_FORMAT_PATTERN: Final = 128
_NAME_FORMAT_SIZE: Final = 64
_INCLUDES: Final = "dra_includes_dyn_dyn"  # of 1.36; of later releases it is one of the list functions
_MOST_VALUES: Final = 48  # ResourceSliceMaxAttributeValuesPerDevice


def _authorization(_known: Known, _node: Call, _: str) -> Estimate:
    return _AUTHORIZATION_COST, None


def _selector(known: Known, node: Call, _: str) -> Estimate | None:
    if len(node.args) != 1:
        return None
    size = known.size(node.args[0]).most
    requirements = scaled(scaled(size, 0.5), float(LIST_COST + STRUCT_COST))
    return min(LIST_COST + scaled(size, STRING_FACTOR) + requirements, MOST), None


def _traverse(known: Known, node: Call, overload: str) -> Estimate | None:
    target = node.target
    if target is None:
        return None
    if overload == _INCLUDES:
        return _MOST_VALUES, None
    count = known.size(target).most
    element = known.element_size(target)
    if element is not None:
        once = 1
        if target.type.parameters[0].kind in (Kind.STRING, Kind.BYTES):
            once = min(1 + scaled(element.most, STRING_FACTOR), MOST)
        return min(count * once, MOST), None
    if node.function == "includes":
        return count, None
    return scaled(count, STRING_FACTOR), None


def _url(known: Known, node: Call, _: str) -> Estimate | None:
    if len(node.args) != 1:
        return None
    size = known.size(node.args[0])
    return scaled(size.most, STRING_FACTOR), size


def _transform(known: Known, node: Call, _: str) -> Estimate | None:
    if node.target is None:
        return None
    size = known.size(node.target)
    return scaled(size.most, STRING_FACTOR), size


def _replace(known: Known, node: Call, _: str) -> Estimate | None:
    if node.target is None:
        return None
    size = known.size(node.target)
    old = known.size(node.args[0])
    new = known.size(node.args[1])
    most_kept = most_count = least_kept = least_count = 0
    if old.least == 0:
        most_count, most_kept = min(size.most + 1, MOST), size.most
    elif new.most <= old.least:
        most_kept = size.most
    else:
        most_count = _ratio(size.most, old.least)
    if old.most == 0:
        least_count, least_kept = min(size.least + 1, MOST), size.least
    elif old.most <= new.least:
        least_kept = size.least
    else:
        least_count = _ratio(size.least, old.most)
    result = plus(times(Size(least_count, most_count), new), Size(least_kept, most_kept))
    return scaled(size.most, 2 * STRING_FACTOR), result


def _ratio(amount: int, divisor: int) -> int:
    quotient = ceil(float(amount) / float(divisor))
    return 2**63 if quotient > MOST else quotient  # what amd64 gives for a float64 that is too large


def _split(known: Known, node: Call, _: str) -> Estimate | None:
    if node.target is None:
        return None
    size = known.size(node.target)
    most = size.most
    if len(node.args) > 1:
        limit = node.args[1]
        if isinstance(limit, Literal) and type(limit.value) is int:
            most = limit.value & MOST
    return scaled(size.most, 2 * STRING_FACTOR), Size(0, most)


def _join(known: Known, node: Call, _: str) -> Estimate | None:
    target = node.target
    if target is None:
        return None
    count = known.size(target)
    element = known.element_size(target)
    size = Size(0, 0) if element is None else times(count, element)
    if node.args:
        separators = Size(max(count.least - 1, 0), max(count.most - 1, 0))
        size = plus(size, times(known.size(node.args[0]), separators))
    return scaled(size.most, STRING_FACTOR), size


def _find(known: Known, node: Call, _: str) -> Estimate | None:
    if node.target is None:
        return None
    size = known.size(node.target)
    return pattern_cost(size, known.size(node.args[0])), Size(0, size.most)


def _parse(known: Known, node: Call, _: str) -> Estimate | None:
    return (scaled(known.size(node.args[0]).most, STRING_FACTOR), None) if node.args else None


def _ip(known: Known, node: Call, overload: str) -> Estimate | None:
    return (1, None) if overload == "cidr_ip" else _parse(known, node, overload)


def _canonical(known: Known, node: Call, _: str) -> Estimate | None:
    return scaled(known.size(node.args[0]).most, 2 * STRING_FACTOR), None


def _contains_address(known: Known, node: Call, overload: str) -> Estimate | None:
    total = 4  # two addresses of at most 16 bytes, a tenth each, rounded up together
    if node.function == "containsCIDR":
        total += 2 + 1
    if overload in ("cidr_contains_ip_string", "cidr_contains_cidr_string"):
        total = min(total + scaled(known.size(node.args[0]).most, STRING_FACTOR), MOST)
    return total, None


def _validate(known: Known, node: Call, _: str) -> Estimate | None:
    scan = scaled(known.size(node.args[0]).most, STRING_FACTOR)
    return scaled(scan, _NAME_FORMAT_PATTERN * REGEX_FACTOR), None


_CONSTANT_EQUALITY: Final = ("kubernetes.Quantity", "kubernetes.Semver", "net.IP", "net.CIDR")


def _equals(known: Known, node: Call, _: str) -> Estimate | None:
    left, right = node.args
    name = left.type.name
    if name != right.type.name or left.type.kind not in (Kind.STRUCT, Kind.OPAQUE):
        return None
    if name in _CONSTANT_EQUALITY or name.startswith("kubernetes.authorization."):
        return 1, None
    if name == "kubernetes.NamedFormat":
        return scaled(_NAME_FORMAT_SIZE, STRING_FACTOR), None
    if name == "kubernetes.URL":
        size = known.known_size(right)
        return scaled(1 if size is None else size.most, STRING_FACTOR), None
    return None


KUBERNETES: Final[Mapping[str, Estimating]] = {
    "check": _authorization,
    **dict.fromkeys(("fieldSelector", "labelSelector"), _selector),
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf", "includes"), _traverse),
    "url": _url,
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim"), _transform),
    "replace": _replace,
    "split": _split,
    "join": _join,
    **dict.fromkeys(("find", "findAll"), _find),
    **dict.fromkeys(("cidr", "isIP", "isCIDR", "quantity", "isQuantity", "semver", "isSemver"), _parse),
    "ip": _ip,
    "ip.isCanonical": _canonical,
    **dict.fromkeys(("containsIP", "containsCIDR"), _contains_address),
    "validate": _validate,
    "_==_": _equals,
}

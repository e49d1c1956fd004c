"""IP addresses and networks (apiserver library/ip.go, cidr.go; Go's net/netip)."""

import re
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import ClassVar, Final

from webhook.cel.functions.dispatch import FunctionTable, Overload
from webhook.cel.functions.texts import go_quoted
from webhook.cel.types import STRING, Kind, Type
from webhook.cel.values import EvaluationError, Opaque, Value, no_such_overload

_HEX_DIGITS: Final = frozenset("0123456789abcdefABCDEF")
_BITS: Final = re.compile(r"[0-9]+", re.ASCII)


class AddressError(Exception):
    """The text is no address; the words are Go's."""


class IpAddress(Opaque):
    """`ip(text)`: 4 or 16 bytes as a number."""

    __slots__ = ("number", "width")

    cel_type: ClassVar[str] = "net.IP"

    def __init__(self, number: int, width: int) -> None:
        self.number = number
        self.width = width

    def __len__(self) -> int:
        return self.width // 8

    def same(self, other: Opaque) -> bool:
        return self == other

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IpAddress) and (self.number, self.width) == (other.number, other.width)

    def __hash__(self) -> int:
        return hash((self.number, self.width))

    def __str__(self) -> str:
        if self.width == 32:
            return ".".join(str(self.number >> shift & 255) for shift in (24, 16, 8, 0))
        return _compressed(self.number)


class Cidr(Opaque):
    """`cidr(text)`: an address, whose bits behind the prefix need not be zero, and the prefix's length."""

    __slots__ = ("address", "bits")

    cel_type: ClassVar[str] = "net.CIDR"

    def __init__(self, address: IpAddress, bits: int) -> None:
        self.address = address
        self.bits = bits

    def __len__(self) -> int:
        return (self.bits + 7) // 8

    def same(self, other: Opaque) -> bool:
        return self == other

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cidr) and (self.address, self.bits) == (other.address, other.bits)

    def __hash__(self) -> int:
        return hash((self.address, self.bits))

    def __str__(self) -> str:
        return f"{self.address}/{self.bits}"

    def masked(self) -> "Cidr":
        shift = self.address.width - self.bits
        return Cidr(IpAddress(self.address.number >> shift << shift, self.address.width), self.bits)

    def contains(self, address: IpAddress) -> bool:
        shift = self.address.width - self.bits
        return address.width == self.address.width and address.number >> shift == self.address.number >> shift


def _compressed(number: int) -> str:
    """The canonical text of an IPv6 address (RFC 5952)."""
    return IPv6Address(number).compressed


def _failure(text: str, problem: str, at: str = "") -> AddressError:
    where = f" (at {go_quoted(at)})" if at else ""
    return AddressError(f"ParseAddr({go_quoted(text)}): {problem}{where}")


def parse_address(text: str) -> tuple[IpAddress, str]:
    """The address and its zone, as netip.ParseAddr reads it."""
    for char in text:
        if char == ".":
            return IpAddress(_ipv4(text, text), 32), ""
        if char == ":":
            return _ipv6(text)
        if char == "%":
            raise _failure(text, "missing IPv6 address")
    raise _failure(text, "unable to parse IP")


def _ipv4(whole: str, text: str) -> int:
    fields: list[int] = []
    value = digits = 0
    for index, char in enumerate(text):
        if "0" <= char <= "9":
            if digits == 1 and value == 0:
                raise _failure(whole, "IPv4 field has octet with leading zero")
            value, digits = value * 10 + int(char), digits + 1
            if value > 255:
                raise _failure(whole, "IPv4 field has value >255")
        elif char == ".":
            if index == 0 or index == len(text) - 1 or text[index - 1] == ".":
                raise _failure(whole, "IPv4 field must have at least one digit", text[index:])
            if len(fields) == 3:
                raise _failure(whole, "IPv4 address too long")
            fields.append(value)
            value = digits = 0
        else:
            raise _failure(whole, "unexpected character", text[index:])
    if len(fields) < 3:
        raise _failure(whole, "IPv4 address too short")
    return (fields[0] << 24) + (fields[1] << 16) + (fields[2] << 8) + value


def _ipv6(whole: str) -> tuple[IpAddress, str]:
    text, percent, zone = whole.partition("%")
    if percent and not zone:
        raise _failure(whole, "zone must be a non-empty string")
    groups: list[int] = []
    ellipsis = -1
    if text.startswith("::"):
        ellipsis, text = 0, text[2:]
        if not text:
            return IpAddress(0, 128), zone
    while len(groups) < 8:
        length = next((i for i, char in enumerate(text) if char not in _HEX_DIGITS), len(text))
        if length > 4:
            raise _failure(whole, "each group must have 4 or less digits", text)
        if length == 0:
            raise _failure(whole, "each colon-separated field must have at least one digit", text)
        if text[length : length + 1] == ".":
            groups += _embedded(whole, text, len(groups), ellipsis)
            text = ""
            break
        groups.append(int(text[:length], 16))
        text = text[length:]
        if not text:
            break
        if text[0] != ":":
            raise _failure(whole, "unexpected character, want colon", text)
        if len(text) == 1:
            raise _failure(whole, "colon must be followed by more characters", text)
        text = text[1:]
        if text[0] == ":":
            if ellipsis >= 0:
                raise _failure(whole, "multiple :: in address", text)
            ellipsis, text = len(groups), text[1:]
            if not text:
                break
    if text:
        raise _failure(whole, "trailing garbage after address", text)
    if len(groups) < 8:
        if ellipsis < 0:
            raise _failure(whole, "address string too short")
        groups[ellipsis:ellipsis] = [0] * (8 - len(groups))
    elif ellipsis >= 0:
        raise _failure(whole, "the :: must expand to at least one field of zeros")
    number = 0
    for group in groups:
        number = number << 16 | group
    return IpAddress(number, 128), zone


def _embedded(whole: str, text: str, groups: int, ellipsis: int) -> list[int]:
    """The two groups of an IPv4 address at the end of an IPv6 address."""
    if ellipsis < 0 and groups != 6:
        raise _failure(whole, "embedded IPv4 address must replace the final 2 fields of the address", text)
    if groups > 6:
        raise _failure(whole, "too many hex fields to fit an embedded IPv4 at the end of the address", text)
    number = _ipv4(whole, text)
    return [number >> 16, number & 0xFFFF]


def _is_mapped(address: IpAddress) -> bool:
    return address.width == 128 and address.number >> 32 == 0xFFFF


def _checked_address(text: str) -> IpAddress:
    quoted = go_quoted(text)
    try:
        address, zone = parse_address(text)
    except AddressError as error:
        raise EvaluationError(f"IP Address {quoted} parse error during conversion from string: {error}") from None
    if zone:
        raise EvaluationError(f"IP address {quoted} with zone value is not allowed")
    if _is_mapped(address):
        raise EvaluationError(f"IPv4-mapped IPv6 address {quoted} is not allowed")
    return address


def to_ip(text: str) -> IpAddress:
    """`ip(text)`."""
    return _checked_address(text)


def is_ip(text: str) -> bool:
    """`isIP(text)`."""
    try:
        _checked_address(text)
    except EvaluationError:
        return False
    return True


def is_canonical(text: str) -> bool:
    """`ip.isCanonical(text)`."""
    return str(_checked_address(text)) == text


def _parse_prefix(text: str) -> Cidr:
    quoted = go_quoted(text)
    address_text, slash, bits_text = text.rpartition("/")
    if not slash:
        raise AddressError(f"netip.ParsePrefix({quoted}): no '/'")
    try:
        address, zone = parse_address(address_text)
    except AddressError as error:
        raise AddressError(f"netip.ParsePrefix({quoted}): {error}") from None
    if zone:
        raise AddressError(f"netip.ParsePrefix({quoted}): IPv6 zones cannot be present in a prefix")
    if len(bits_text) > 1 and bits_text[0] not in "123456789":
        raise AddressError(f"netip.ParsePrefix({quoted}): bad bits after slash: {go_quoted(bits_text)}")
    if not _BITS.fullmatch(bits_text):
        raise AddressError(f"netip.ParsePrefix({quoted}): bad bits after slash: {go_quoted(bits_text)}")
    bits = int(bits_text) if len(bits_text) < 5 else 10**4
    if bits > address.width:
        raise AddressError(f"netip.ParsePrefix({quoted}): prefix length out of range")
    return Cidr(address, bits)


def _checked_prefix(text: str) -> Cidr:
    problem = "network address parse error during conversion from string: "
    try:
        prefix = _parse_prefix(text)
    except AddressError as error:
        raise EvaluationError(f"{problem}{problem}{error}") from None
    if _is_mapped(prefix.address):
        raise EvaluationError(f"{problem}IPv4-mapped IPv6 address {go_quoted(text)} is not allowed")
    return prefix


def to_cidr(text: str) -> Cidr:
    """`cidr(text)`."""
    return _checked_prefix(text)


def is_cidr(text: str) -> bool:
    """`isCIDR(text)`."""
    try:
        _checked_prefix(text)
    except EvaluationError:
        return False
    return True


def contains_ip_text(outer: Cidr, text: str) -> bool:
    """`c.containsIP(text)`: of a wrong address the reference says only that it does not fit."""
    try:
        address = to_ip(text)
    except EvaluationError:
        raise no_such_overload() from None
    return outer.contains(address)


def contains_cidr(outer: Cidr, inner: Cidr) -> bool:
    """`c.containsCIDR(d)`."""
    return outer.bits <= inner.bits and outer.contains(inner.address)


def _top(address: IpAddress, bits: int) -> int:
    return address.number >> (address.width - bits)


def _is_loopback(address: IpAddress) -> bool:
    return _top(address, 8) == 127 if address.width == 32 else address.number == 1


def _is_link_local_multicast(address: IpAddress) -> bool:
    if address.width == 32:
        return _top(address, 24) == 0xE00000
    return _top(address, 16) & 0xFF0F == 0xFF02


def _is_link_local_unicast(address: IpAddress) -> bool:
    return _top(address, 16) == 0xA9FE if address.width == 32 else _top(address, 10) == 0x3FA


def _is_multicast(address: IpAddress) -> bool:
    return _top(address, 4) == 0xE if address.width == 32 else _top(address, 8) == 0xFF


def _is_global_unicast(address: IpAddress) -> bool:
    if address.number == 0 or (address.width == 32 and address.number == 2**32 - 1):
        return False
    return not (_is_loopback(address) or _is_multicast(address) or _is_link_local_unicast(address))


_IP: Final = Type(Kind.OPAQUE, "net.IP")
_CIDR: Final = Type(Kind.OPAQUE, "net.CIDR")


def _text(id_: str, run: Callable[[str], Value]) -> tuple[Overload]:
    return (Overload(id_, (STRING,), run),)


def _of_ip(id_: str, run: Callable[[IpAddress], Value]) -> tuple[Overload]:
    return (Overload(id_, (_IP,), run),)


FUNCTIONS: Final[FunctionTable] = {
    "ip": (Overload("string_to_ip", (STRING,), to_ip), Overload("cidr_ip", (_CIDR,), lambda prefix: prefix.address)),
    "isIP": _text("is_ip", is_ip),
    "ip.isCanonical": _text("ip_is_canonical", is_canonical),
    "family": _of_ip("ip_family", lambda address: 4 if address.width == 32 else 6),
    "isUnspecified": _of_ip("ip_is_unspecified", lambda address: address.number == 0),
    "isLoopback": _of_ip("ip_is_loopback", _is_loopback),
    "isLinkLocalMulticast": _of_ip("ip_is_link_local_multicast", _is_link_local_multicast),
    "isLinkLocalUnicast": _of_ip("ip_is_link_local_unicast", _is_link_local_unicast),
    "isGlobalUnicast": _of_ip("ip_is_global_unicast", _is_global_unicast),
    "cidr": _text("string_to_cidr", to_cidr),
    "isCIDR": _text("is_cidr", is_cidr),
    "prefixLength": (Overload("cidr_prefix_length", (_CIDR,), lambda prefix: prefix.bits),),
    "masked": (Overload("cidr_masked", (_CIDR,), Cidr.masked),),
    "containsIP": (
        Overload("cidr_contains_ip_string", (_CIDR, STRING), contains_ip_text),
        Overload("cidr_contains_ip_ip", (_CIDR, _IP), Cidr.contains),
    ),
    "containsCIDR": (
        Overload("cidr_contains_cidr_string", (_CIDR, STRING), lambda outer, text: contains_cidr(outer, to_cidr(text))),
        Overload("cidr_contains_cidr", (_CIDR, _CIDR), contains_cidr),
    ),
}

"""URLs (apiserver library/urls.go), read as Go's net/url reads them."""

import re
from collections.abc import Callable
from typing import ClassVar, Final

from webhook.cel.functions.dispatch import FunctionTable, Overload
from webhook.cel.functions.network import AddressError, parse_address
from webhook.cel.functions.texts import go_quoted, go_quoted_bytes
from webhook.cel.types import STRING, Kind, Type
from webhook.cel.values import EvaluationError, MapKey, Opaque, Value

_SCHEME: Final = re.compile(rb"([a-zA-Z][a-zA-Z0-9+.-]*):")
_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]")
_ESCAPE: Final = re.compile(rb"%([0-9a-fA-F]{2})")
_PORT: Final = re.compile(rb":[0-9]*")
_USER: Final = re.compile(rb"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_MOST_PARAMETERS: Final = 10_000

_UNRESERVED: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~")
_IN_HOST: Final = _UNRESERVED | frozenset(b"!$&'()*+,;=:[]<>\"")
_IN_PATH: Final = _UNRESERVED | frozenset(b"$&+,/:;=@")
_IN_USER: Final = _UNRESERVED | frozenset(b"$&+,;=")
_IN_FRAGMENT: Final = _UNRESERVED | frozenset(b"$&+,/:;=?@!()*")
_VALID_ANYWAY: Final = frozenset(b"!$&'()*+,;=:@[]%")


class UrlError(Exception):
    """The text is no URL; the words are Go's."""


class Url(Opaque):
    """`url(text)`. All parts are bytes, as a URL can hold any."""

    __slots__ = ("force_query", "fragment", "host", "omit_host", "opaque", "path", "query", "scheme", "user")

    cel_type: ClassVar[str] = "kubernetes.URL"

    def __init__(self) -> None:
        self.scheme = self.opaque = self.host = self.path = self.query = self.fragment = b""
        self.user: tuple[bytes, bytes | None] | None = None
        self.force_query = self.omit_host = False

    def same(self, other: Opaque) -> bool:
        return isinstance(other, Url) and self.text() == other.text()

    def __str__(self) -> str:
        return _as_text(self.text())

    def escaped_path(self) -> bytes:
        """The path as it was written, if that is a valid way to write it."""
        if all(byte in _VALID_ANYWAY or byte in _IN_PATH for byte in self.path):
            return self.path
        return _escaped(_unescaped(self.path), _IN_PATH)

    def text(self) -> bytes:
        """The URL, reassembled."""
        parts = [self.scheme + b":" if self.scheme else b"", self.opaque or self._hierarchy()]
        if self.force_query or self.query:
            parts.append(b"?" + self.query)
        if self.fragment:
            parts.append(b"#" + self._escaped_fragment())
        return b"".join(parts)

    def _hierarchy(self) -> bytes:
        text = b""
        if (self.scheme or self.host or self.user) and not (self.omit_host and not self.host and not self.user):
            if self.host or self.path or self.user:
                text = b"//"
            if self.user is not None:
                text += b":".join(_escaped(part, _IN_USER) for part in self.user if part is not None) + b"@"
            text += _escaped(self.host, _IN_HOST)
        path = self.escaped_path()
        if path and not path.startswith(b"/") and self.host:
            text += b"/"
        return text + path

    def _escaped_fragment(self) -> bytes:
        if all(byte in _VALID_ANYWAY or byte in _IN_FRAGMENT for byte in self.fragment):
            return self.fragment
        return _escaped(_unescaped(self.fragment), _IN_FRAGMENT)

    def host_and_port(self) -> tuple[bytes, bytes]:
        """The host without brackets, and the port."""
        host, port = self.host, b""
        colon = host.rfind(b":")
        if colon >= 0 and _PORT.fullmatch(host, colon):
            host, port = host[:colon], host[colon + 1 :]
        if host.startswith(b"[") and host.endswith(b"]"):
            host = host[1:-1]
        return host, port


def _escaped(data: bytes, plain: frozenset[int]) -> bytes:
    return b"".join(bytes((byte,)) if byte in plain else b"%%%02X" % byte for byte in data)


def _unescaped(data: bytes, in_host: bool = False, in_zone: bool = False) -> bytes:
    """The bytes without percent escapes; UrlError where they are wrong or not allowed."""
    position = 0
    while position < len(data):
        byte = data[position]
        if byte == ord("%"):
            _check_escape(data[position : position + 3], in_host, in_zone)
            position += 3
            continue
        if (in_host or in_zone) and byte < 0x80 and byte not in _IN_HOST:
            raise UrlError(f"invalid character {go_quoted(chr(byte))} in host name")
        position += 1
    return _ESCAPE.sub(lambda found: bytes((int(found.group(1), 16),)), data)


def _check_escape(escape: bytes, in_host: bool, in_zone: bool) -> None:
    found = _ESCAPE.fullmatch(escape)
    bad = found is None
    if found is not None and escape != b"%25":
        byte = int(found.group(1), 16)
        bad = (in_host and byte < 0x80) or (in_zone and byte != ord(" ") and byte not in _IN_HOST)
    if bad:
        raise UrlError(f"invalid URL escape {go_quoted_bytes(escape)}")


def _parse(data: bytes, request: bool) -> Url:
    """A URL without fragment. In a request it must be absolute, or an absolute path."""
    if _CONTROL.search(data):
        raise UrlError("net/url: invalid control character in URL")
    if not data and request:
        raise UrlError("empty url")
    url = Url()
    if data == b"*":
        url.path = b"*"
        return url
    rest = _take_scheme(url, data)
    if rest.endswith(b"?") and rest.count(b"?") == 1:
        url.force_query, rest = True, rest[:-1]
    else:
        rest, _, url.query = rest.partition(b"?")
    if not rest.startswith(b"/"):
        if url.scheme:
            url.opaque = rest
            return url
        if request:
            raise UrlError("invalid URI for request")
        if b":" in rest.partition(b"/")[0]:
            raise UrlError("first path segment in URL cannot contain colon")
    if (url.scheme or (not request and not rest.startswith(b"///"))) and rest.startswith(b"//"):
        authority, slash, path = rest[2:].partition(b"/")
        rest = slash + path
        _take_authority(url, authority)
    elif url.scheme and rest.startswith(b"/"):
        url.omit_host = True
    _unescaped(rest)
    url.path = rest
    return url


def _take_scheme(url: Url, data: bytes) -> bytes:
    if data.startswith(b":"):
        raise UrlError("missing protocol scheme")
    found = _SCHEME.match(data)
    if found is None:
        return data
    url.scheme = found.group(1).lower()
    return data[found.end() :]


def _take_authority(url: Url, authority: bytes) -> None:
    user, at, host = authority.rpartition(b"@")
    url.host = _host(url.scheme, host)
    if not at:
        return
    if not _USER.fullmatch(user):
        raise UrlError("net/url: invalid userinfo")
    name, colon, password = user.partition(b":")
    url.user = (_unescaped(name), _unescaped(password) if colon else None)


def _host(scheme: bytes, host: bytes) -> bytes:
    bracket = host.rfind(b"[")
    if bracket > 0:
        raise UrlError("invalid IP-literal")
    if bracket == 0:
        return _bracketed_host(host)
    if b":" in host:
        # Only databases may name several hosts with ports.
        colon = host.find(b":") if scheme in (b"http", b"https") else host.rfind(b":")
        _check_port(host[colon:])
    return _unescaped(host, in_host=True)


def _check_port(port: bytes) -> None:
    if port and not _PORT.fullmatch(port):
        raise UrlError(f"invalid port {go_quoted_bytes(port)} after host")


def _bracketed_host(host: bytes) -> bytes:
    end = host.rfind(b"]")
    if end < 0:
        raise UrlError("missing ']' in host")
    _check_port(host[end + 1 :])
    name = host[1:end]
    zone = name.find(b"%25")
    if zone >= 0:
        name = _unescaped(name[:zone], in_host=True) + _unescaped(name[zone:], in_zone=True)
    else:
        name = _unescaped(name, in_host=True)
    try:
        address, _ = parse_address(_as_text(name))
    except AddressError as error:
        raise UrlError(f"invalid host: {error}") from None
    if address.width == 32:
        raise UrlError("invalid IP-literal")
    return b"[" + name + b"]" + host[end + 1 :]


def _as_text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def check_request_uri(text: str) -> None:
    """Raise UrlError unless the text is an absolute URL or path (url.ParseRequestURI)."""
    try:
        _parse(text.encode(), request=True)
    except UrlError as error:
        raise UrlError(f"parse {go_quoted(text)}: {error}") from None


def to_url(text: str) -> Url:
    """`url(text)`."""
    problem = "URL parse error during conversion from string: "
    try:
        check_request_uri(text)
    except UrlError as error:
        raise EvaluationError(f"{problem}{error}") from None
    main, _, fragment = text.encode().partition(b"#")
    about = _as_text(main)
    try:
        url = _parse(main, request=False)
        about = text
        _unescaped(fragment)
    except UrlError as error:
        raise EvaluationError(f"{problem}parse {go_quoted(about)}: {error}") from None
    url.fragment = fragment
    return url


def is_url(text: str) -> bool:
    """`isURL(text)`."""
    try:
        check_request_uri(text)
    except UrlError:
        return False
    return True


def query_of(url: Url) -> dict[MapKey, Value]:
    """`u.getQuery()`: the values of each parameter; what cannot be read is left out."""
    found: dict[MapKey, Value] = {}
    if url.query.count(b"&") >= _MOST_PARAMETERS:
        return found
    for part in url.query.split(b"&"):
        if not part or b";" in part:
            continue
        name, _, value = part.partition(b"=")
        try:
            key, text = (_as_text(_unescaped(side.replace(b"+", b"%20"))) for side in (name, value))
        except UrlError:
            continue
        found.setdefault(key, []).append(text)
    return found


_URL: Final = Type(Kind.STRUCT, "kubernetes.URL")


def _member(id_: str, run: Callable[[Url], Value]) -> tuple[Overload]:
    return (Overload(id_, (_URL,), run),)


FUNCTIONS: Final[FunctionTable] = {
    "url": (Overload("string_to_url", (STRING,), to_url),),
    "isURL": (Overload("is_url_string", (STRING,), is_url),),
    "getScheme": _member("url_get_scheme", lambda url: _as_text(url.scheme)),
    "getHost": _member("url_get_host", lambda url: _as_text(url.host)),
    "getHostname": _member("url_get_hostname", lambda url: _as_text(url.host_and_port()[0])),
    "getPort": _member("url_get_port", lambda url: _as_text(url.host_and_port()[1])),
    "getEscapedPath": _member("url_get_escaped_path", lambda url: _as_text(url.escaped_path())),
    "getQuery": _member("url_get_query", query_of),
}

"""Literals that a conversion can never parse: `quantity('20GiB')`, `semver('8.0')`; and what was meant.

The API server does not look into them; at run time the error stops the pod on every node.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from webhook.cel.functions.network import to_cidr, to_ip
from webhook.cel.functions.quantities import to_quantity
from webhook.cel.functions.semver import normalised, to_version
from webhook.cel.functions.urls import to_url
from webhook.cel.syntax import Ast, Call, Expr, Literal, walk
from webhook.cel.values import EvaluationError
from webhook.core.quantity_slips import quantities_meant

_VERSION: Final = re.compile(r"\s*[vV]?\.?([0-9]+(?:\.[0-9]+)*)([-+][0-9A-Za-z.+-]*)?\s*", re.ASCII)
_LEADING_ZEROS: Final = re.compile(r"(?<![0-9])0+(?=[0-9])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Unparsable:
    """A literal that is no value of what it is converted to; `meant` are texts that are, best first."""

    literal: Literal
    text: str
    what: str
    form: str
    meant: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Form:
    """What a text must be: in words, with an example, how it is read, and what slips are made."""

    what: str
    form: str
    read: Callable[[str], object]
    meant: Callable[[str], Iterable[str]]


def unparsable_literals(ast: Ast) -> Iterator[Unparsable]:
    """Every such literal, in the order of the source."""
    found = (one for node in walk(ast.root) if isinstance(node, Call) for one in _of_call(node))
    yield from sorted(found, key=lambda one: one.literal.start)


def _of_call(call: Call) -> Iterator[Unparsable]:
    form = _FORMS.get(call.overloads[0]) if len(call.overloads) == 1 else None
    literal = call.args[0] if call.args else None
    if form is None or not isinstance(literal, Literal) or not isinstance(literal.value, str):
        return
    if len(call.args) > 1 and not _is_false(call.args[1]):  # semver(text, true) makes up for slips
        form = _NORMALISING
    text = literal.value
    if not _reads(form, text):
        meant = (candidate for candidate in form.meant(text) if candidate != text and _reads(form, candidate))
        yield Unparsable(literal, text, form.what, form.form, tuple(dict.fromkeys(meant)))


def _is_false(node: Expr) -> bool:
    return isinstance(node, Literal) and node.value is False


def _reads(form: _Form, text: str) -> bool:
    try:
        form.read(text)
    except EvaluationError as error:
        return "the exponent must be at most" in str(error)  # a bound of ours alone
    return True


def _versions(text: str) -> Iterator[str]:
    """`8.0`, `v8.0.0`, `535.104.05`, `12.4.1.2`."""
    found = _VERSION.fullmatch(text)
    if found is None:
        return
    numbers = [str(int(number)) for number in found[1].split(".")][:3]
    core = ".".join([*numbers, "0", "0"][:3])
    yield core + (found[2] or "")
    yield core


def _addresses(text: str) -> Iterator[str]:
    """`10.0.0.01`, `10.0.0.0/8`, `[::1]`."""
    bare = text.strip().strip("[]").partition("/")[0]
    yield bare
    yield _LEADING_ZEROS.sub("", bare)


def _networks(text: str) -> Iterator[str]:
    """`10.0.0.1`, `10.0.0.0/08`, `10.0.0.00/8`."""
    address, slash, bits = text.strip().partition("/")
    for form in (address, _LEADING_ZEROS.sub("", address)):
        yield f"{form}/{_LEADING_ZEROS.sub('', bits)}" if slash else f"{form}/{128 if ':' in form else 32}"


def _urls(text: str) -> Iterator[str]:
    """`example.com/path`."""
    yield f"https://{text.strip()}"


_QUANTITY: Final = _Form(
    "a quantity", "a number with a suffix such as Mi, Gi, k or M, as in '20Gi'", to_quantity, quantities_meant
)
_SEMVER: Final = _Form("a semantic version", "three numbers, as in '8.0.0'", to_version, _versions)
_NORMALISING: Final = _Form(_SEMVER.what, _SEMVER.form, lambda text: to_version(normalised(text)), _versions)
_ADDRESS: Final = _Form("an IP address", "an address without zeros in front, as in '10.0.0.1'", to_ip, _addresses)
_NETWORK: Final = _Form("a network", "an address and a prefix length, as in '10.0.0.0/8'", to_cidr, _networks)
_URL: Final = _Form("a URL", "an absolute URL or path, as in 'https://example.com'", to_url, _urls)
_FORMS: Final[Mapping[str, _Form]] = {
    "string_to_quantity": _QUANTITY,
    "string_to_semver": _SEMVER,
    "string_bool_to_semver": _SEMVER,
    "string_to_ip": _ADDRESS,
    "string_to_cidr": _NETWORK,
    "string_to_url": _URL,
    "ip_is_canonical": _ADDRESS,
    "cidr_contains_ip_string": _ADDRESS,
    "cidr_contains_cidr_string": _NETWORK,
}

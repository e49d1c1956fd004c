"""Domains that nothing known publishes under: what was meant, and how sure that is (contract 4)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from webhook.cel.inspect import conjuncts
from webhook.cel.syntax import EQUALS, IN, NOT_EQUALS, Ast, Call, Expr, Ident, Literal, Select, walk
from webhook.core.cache import BoundedCache
from webhook.core.finding import Fix, Replacement, Severity, Span
from webhook.core.suggest import MOST_SUGGESTIONS, distance, nearest
from webhook.inventory.case import Case, compiled_new
from webhook.inventory.knowledge import Knowledge
from webhook.inventory.names import NamedAccess, drivers_of
from webhook.inventory.respelling import name_span, to_domain, to_name
from webhook.inventory.unknown import listing, unknown_name

_PATH = re.compile(r"(\.)\s*([A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)+)")
_LONG_LABEL = 5
_COMPARISONS = frozenset({EQUALS, NOT_EQUALS, IN})
_MOST_CHARACTERS = 250_000  # of source


@dataclass(frozen=True, slots=True)
class UnknownDomain:
    """A domain that nothing known publishes under; `certainty` None: no opinion."""

    message: str
    certainty: Severity | None
    span: Span
    why: str = ""
    fixes: tuple[Fix, ...] = ()
    is_path: bool = False


def unknown_domain(case: Case, knowledge: Knowledge, named: NamedAccess) -> UnknownDomain | None:
    """Return what is to be said of the domain of an access; None where it is known."""
    if named.access.domain_span is None or knowledge.domain(named.domain) is not None:
        return None
    dotted = _dotted(knowledge, named)
    source = named.selector.expression
    if dotted is not None or (named.access.nested and source[named.access.domain_span[0]] not in "'\""):
        return dotted  # else selector-nested-value says so
    mistake = knowledge.domain_mistake(named.domain)
    slips = tuple(domain for domain in sorted(knowledge.domains) if is_slip(domain, named.domain))
    meant = (mistake.right,) if mistake else slips or nearest(named.domain, knowledge.domains)
    return UnknownDomain(
        message=f"no device publishes anything under the domain '{named.domain}'",
        certainty=Severity.DENY if mistake or slips else _of_the_class(case, knowledge, named),
        span=name_span(source, named.domain, named.access.domain_span),
        why=mistake.why if mistake else "",
        fixes=tuple(_fixes(knowledge, named, meant))[:MOST_SUGGESTIONS],
    )


def _of_the_class(case: Case, knowledge: Knowledge, named: NamedAccess) -> Severity | None:
    """Return how sure it is that no device of the request has a domain that nothing explains.

    It is where class and selectors ask for one driver and that has a catalogue; where only the drivers that the class
    accepts today are known, others may come. Of a driver that is asked for by this name nothing is known.
    """
    driver = _driver_asked(case, named)
    if driver == named.domain or _is_asked_for(named):
        return None
    known = None if driver is None else knowledge.domain(driver)
    if known is not None and known.is_catalogued:
        return Severity.DENY
    return None if drivers_of(case.view, named.alternative, case.expired) is None else Severity.WARN


def _driver_asked(case: Case, named: NamedAccess) -> str | None:
    """Return the driver that the class or a selector of the request asks for beyond doubt."""
    alternative = named.alternative
    if alternative is None:
        return driver_demanded(named.ast)
    device_class = case.view.device_classes.get(alternative.device_class_name)
    for selector in (*(device_class.selectors if device_class else ()), *alternative.selectors):
        compiled = compiled_new(selector.expression, case.view.server)
        driver = None if compiled.ast is None else driver_demanded(compiled.ast)
        if driver is not None:
            return driver
    return None


def driver_demanded(ast: Ast) -> str | None:
    """Return the driver that a selector demands with `device.driver == '...'` at its top; None where it does not."""
    for part in conjuncts(ast):
        if isinstance(part, Call) and part.function == EQUALS:
            for one, other in (part.args, part.args[::-1]):
                if _is_driver(one) and isinstance(other, Literal) and isinstance(other.value, str):
                    return other.value
    return None


def _is_asked_for(named: NamedAccess) -> bool:
    """Return whether the selector compares `device.driver` with the domain, so that it reads it on purpose."""
    ast = named.ast
    kept, names = _ASKED_FOR.get(id(ast), len(named.selector.expression), lambda: (ast, _asked_for(ast)))
    assert kept is ast  # it is kept, so no other tree can have its id
    return named.domain in names


def _asked_for(ast: Ast) -> frozenset[str]:
    """Return the names that `device.driver` is compared with anywhere."""
    calls = (node for node in walk(ast.root) if isinstance(node, Call) and node.function in _COMPARISONS)
    asking = (part for call in calls if any(map(_is_driver, call.args)) for part in walk(call))
    return frozenset(part.value for part in asking if isinstance(part, Literal) and isinstance(part.value, str))


_ASKED_FOR: BoundedCache[int, tuple[Ast, frozenset[str]]] = BoundedCache(_MOST_CHARACTERS)


def _is_driver(node: Expr) -> bool:
    return (
        isinstance(node, Select)
        and node.field == "driver"
        and isinstance(node.operand, Ident)
        and node.operand.name == "device"
    )


def is_slip(domain: str, written: str) -> bool:
    """Return whether a slip of the pen makes a domain into the one that is written.

    Only one in a single long label counts: beside `gpu.example.com` there may be a driver `npu.example.com`.
    """
    one, other = _labels(domain), _labels(written)
    different = [(a, b) for a, b in zip(one, other, strict=False) if a != b]
    if len(one) != len(other) or len(different) > 1:
        return False
    return all(min(len(a), len(b)) >= _LONG_LABEL and distance(a, b, 1) <= 1 for a, b in different)


def _labels(domain: str) -> list[str]:
    return domain.lower().replace("_", "-").split(".")


def _fixes(knowledge: Knowledge, named: NamedAccess, meant: tuple[str, ...]) -> Iterator[Fix]:
    source, access = named.selector.expression, named.access
    for domain in meant:
        replacements = to_domain(source, access, domain)
        yield Fix(f"did you mean `{domain}`?", replacements=(*replacements, *_name_too(knowledge, named, domain)))
    if not meant:
        yield Fix(f"published: {listing(knowledge.live_domains)}")


def _name_too(knowledge: Knowledge, named: NamedAccess, domain: str) -> tuple[Replacement, ...]:
    """Return what mends the name as well, where it is not known under the domain that is meant."""
    known = knowledge.domain(domain)
    if known is None or named.access.name is None:
        return ()
    unknown = unknown_name(knowledge, known, named.access.kind, named.access.name)
    meant = unknown.meant if unknown is not None else ()
    return to_name(named.selector.expression, named.access, meant[0]) if meant and "/" not in meant[0] else ()


def _dotted(knowledge: Knowledge, named: NamedAccess) -> UnknownDomain | None:
    """Return what is to be said where a known domain is written as a path: `device.attributes.gpu.example.com.type`."""
    source, access = named.selector.expression, named.access
    assert access.domain_span is not None  # the caller has looked
    start = access.domain_span[0]
    found = _PATH.match(source, source.rfind(".", 0, start)) if source[start] not in "'\"" else None
    if found is None:
        return None
    labels = list(re.finditer(r"\w+", source[found.start(2) : found.end(2)]))
    for count in range(len(labels), 1, -1):
        domain = ".".join(label[0] for label in labels[:count])
        known = knowledge.domain(domain)
        if known is None:
            continue
        span = Span(found.start(2), found.start(2) + labels[count - 1].end())
        written = f"device.{access.kind.value}['{domain}']"
        changes = [Replacement(Span(found.start(1), span.end), f"['{domain}']")]
        if count < len(labels):
            label = labels[count]
            unknown = unknown_name(knowledge, known, access.kind, label[0])
            name = unknown.meant[0] if unknown is not None and unknown.meant else label[0]
            written += f".{name}"
            if name != label[0] and "/" not in name:
                changes.append(Replacement(Span(found.start(2) + label.start(), found.start(2) + label.end()), name))
        return UnknownDomain(
            message=f"the domain '{domain}' must be written in brackets, not as a path",
            certainty=Severity.DENY,
            span=span,
            why="the dots are part of the name; as a path, each would ask for a field of the value before it",
            fixes=(Fix(f"write {written}", replacements=tuple(changes)),),
            is_path=True,
        )
    return None

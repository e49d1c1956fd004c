"""mig-unknown-profile: a selector asks for a MIG profile that no GPU offers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from webhook.cel.inspect import AccessKind
from webhook.cel.places import ATTRIBUTES, Place, place_of
from webhook.cel.syntax import EQUALS, IN, Ast, Call, Expr, ListLiteral, Literal, walk
from webhook.core.catalogue import MistakeKind, Profile
from webhook.core.finding import Finding, Fix, Replacement, Severity
from webhook.core.suggest import MOST_SUGGESTIONS, explains, nearest
from webhook.inventory.case import Case
from webhook.inventory.knowledge import knowledge_of
from webhook.inventory.mig import PROFILE, Geometry, allowing, geometry_of
from webhook.inventory.names import NamedAccess, named_accesses
from webhook.inventory.respelling import name_span
from webhook.inventory.unknown import listing

NAME = "mig-unknown-profile"


def check(case: Case) -> Iterator[Finding]:
    seen = set()
    for named in named_accesses(case):
        key = (named.selector.path, named.domain)
        if named.access.kind is not AccessKind.ATTRIBUTES or named.access.name != PROFILE or key in seen:
            continue
        seen.add(key)
        geometry = geometry_of(case.view, named.domain)
        if geometry is not None:
            yield from _findings(case, named, geometry)


@dataclass(frozen=True, slots=True)
class _Judged:
    """What is wrong with a profile: how sure that is, and what is offered where it is not."""

    severity: Severity
    message: str
    why: str = ""


def _findings(case: Case, named: NamedAccess, geometry: Geometry) -> Iterator[Finding]:
    """Yield the profiles of one selector that are unknown, where it asks for no other one that is offered."""
    literals = tuple(_compared(named.ast, Place(ATTRIBUTES, named.domain, PROFILE)))
    known = frozenset((*geometry.offered, *geometry.published))
    usable = frozenset(geometry.usable)
    odd = [literal for literal in literals if str(literal.value) not in usable]
    if not odd:
        return
    root = (named.ast.root,)
    anywhere = any(True for _ in allowing(case, geometry.driver, root, sorted(known)))
    here = anywhere and any(True for _ in allowing(case, geometry.driver, root, sorted(usable)))
    if case.expired():
        return
    for literal in odd:
        judged = _judged(case, geometry, str(literal.value), anywhere=anywhere, here=here)
        if judged is not None:
            yield _finding(case, named, geometry, literal, judged)


def _judged(case: Case, geometry: Geometry, profile: str, *, anywhere: bool, here: bool) -> _Judged | None:
    """Return what is wrong with a profile that nobody here offers; nothing where the selector allows another one."""
    meant = _explaining(case, geometry, profile)
    if profile not in geometry.offered:
        message = f"no known model of GPU offers the MIG profile '{profile}'"
        if not anywhere:
            return _Judged(Severity.DENY if meant or geometry.all_known else Severity.WARN, message)
        return _Judged(Severity.WARN, message) if meant else None
    if here or not geometry.all_known:
        return None
    products = ", ".join(f"'{model.products[0]}'" for model in geometry.here)
    return _Judged(Severity.WARN, f"no GPU here offers the MIG profile '{profile}'", f"the models here are {products}")


def _explaining(case: Case, geometry: Geometry, profile: str) -> tuple[str, ...]:
    """Return the profiles that a known mistake or a slip of the pen turns into this one, those that are here first."""
    pack = knowledge_of(case.view).pack(geometry.driver)
    noted = (m.right for m in pack.mistakes if m.kind is MistakeKind.PROFILE and m.wrong == profile) if pack else ()
    ranked = dict.fromkeys((*geometry.usable, *geometry.offered))
    return tuple(dict.fromkeys((*noted, *(near for near in ranked if explains(near, profile)))))


def _finding(case: Case, named: NamedAccess, geometry: Geometry, literal: Literal, judged: _Judged) -> Finding:
    source, profile = named.selector.expression, str(literal.value)
    span = name_span(source, profile, (literal.start, literal.end))
    meant = _meant(case, geometry, profile)
    return Finding(
        rule=NAME,
        severity=judged.severity,
        path=named.selector.path,
        message=judged.message,
        why=judged.why,
        fixes=tuple(Fix(f"did you mean '{near}'?", replacements=(Replacement(span, near),)) for near in meant)
        or (Fix(f"offered: {listing(geometry.usable or geometry.offered)}"),),
        source=source,
        span=span,
    )


def _meant(case: Case, geometry: Geometry, profile: str) -> tuple[str, ...]:
    """Return at most three profiles that may be meant: near ones, and those of as many compute slices."""
    names = geometry.usable or geometry.offered
    slices = profile.partition("g.")[0]
    alike = sorted(
        (one.name for one in _profiles(geometry) if one.name.partition("g.")[0] == slices and "+" not in one.name),
        key=lambda name: (name not in nearest(profile, names), name),
    )
    found = dict.fromkeys((*_explaining(case, geometry, profile), *nearest(profile, names), *alike))
    offered = geometry.here and frozenset(geometry.usable)
    return tuple(name for name in found if not offered or name in offered)[:MOST_SUGGESTIONS]


def _profiles(geometry: Geometry) -> Sequence[Profile]:
    return tuple(chain.from_iterable(model.profiles for model in geometry.here or geometry.models))


def _compared(ast: Ast, place: Place) -> Iterator[Literal]:
    """Yield the texts that the selector compares the place with, by `==` or `in`; not its own default for none."""
    for node in walk(ast.root):
        if not isinstance(node, Call) or node.function not in (EQUALS, IN):
            continue
        for one, other in (node.args, node.args[::-1])[: 2 if node.function == EQUALS else 1]:
            if place_of(_value(one)) == place:
                absent = _default(one)
                yield from (text for text in _texts(other) if isinstance(text.value, str) and text.value != absent)


def _value(node: Expr) -> Expr:
    """Return what a default is given to: `place` of `place.orValue('')`."""
    if isinstance(node, Call) and node.function == "orValue" and node.target is not None:
        return node.target
    return node


def _default(node: Expr) -> object:
    """Return the constant that `place.orValue('none')` gives where there is no value; None for anything else."""
    default = node.args[0] if _value(node) is not node and isinstance(node, Call) else None
    return default.value if isinstance(default, Literal) else None


def _texts(node: Expr) -> Iterator[Literal]:
    for part in node.elements if isinstance(node, ListLiteral) else (node,):
        if isinstance(part, Literal):
            yield part

"""Selectors that end in an error on devices that the driver catalogue knows, whether one is there now or not.

A name is read without a guard that a kind of device need not have, while nothing else that is asked keeps this kind
away; or that none of the kinds has which are left. Only a reading whose error decides is looked at: beside `||` or `?:`
it may not matter.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from weakref import WeakKeyDictionary

from webhook.cel.compile import Verdict
from webhook.cel.contradiction import Logic
from webhook.cel.inspect import Access, AccessKind, accesses
from webhook.cel.places import clauses
from webhook.cel.syntax import AND, CONDITIONAL, OR, Ast, Call, Comprehension, Expr, children
from webhook.core.cache import BoundedCache
from webhook.core.catalogue import CatalogueName, DeviceKind
from webhook.core.claims import Selector
from webhook.core.device import AttributeValue, Device, device_of
from webhook.inventory.case import Case, compiled_new
from webhook.inventory.knowledge import DomainKnowledge, Knowledge, knowledge_of
from webhook.inventory.schema import STANDARD_DOMAIN

_ANY_KIND = DeviceKind("")
_STRANGER = "another.example.com"


_MOST_KEPT = 500


@dataclass(frozen=True, slots=True)
class Lack:
    """A reading, and the kinds of device of a driver that may be met and on which it may find nothing.

    `kinds` is empty where these are all that the driver has; `examples` are devices of them of which no more is known.
    `never`: no kind that may be met ever has the name.
    """

    access: Access
    driver: str
    kinds: tuple[str, ...]
    examples: tuple[Device, ...]
    never: bool


# By the identity of the trees, which are kept with what was found, so that no others can have it.
_LACKS: WeakKeyDictionary[Knowledge, BoundedCache[tuple[int, ...], tuple[tuple[Ast, ...], Lack | None]]] = (
    WeakKeyDictionary()
)


def lack_of(case: Case, before: Sequence[Selector], ast: Ast) -> Lack | None:
    """Return the first reading of a selector that documented devices lack which all else that is asked accepts."""
    compiled = [compiled_new(other.expression, case.view.server) for other in before]
    trees = [one.ast for one in compiled if one.ast is not None and one.verdict is Verdict.OK]
    if len(trees) < len(compiled):
        return None
    kept = _LACKS.setdefault(knowledge_of(case.view), BoundedCache(_MOST_KEPT))
    key = (id(ast), *map(id, trees))
    known = kept.known(key)
    if known is None:
        found = _first_lack(case, trees, ast)
        if case.expired():
            return found
        known = kept.get(key, 1, lambda: ((ast, *trees), found))
    return known[1]


def _first_lack(case: Case, trees: Sequence[Ast], ast: Ast) -> Lack | None:
    others = [tree.root for tree in trees]
    guarded = {_name(access) for tree in (ast, *trees) for access in accesses(tree) if access.guarded}
    logic = Logic(case.view.server.version, frozenset(map(id, (*others, ast.root))))
    for access, clause in _decisive(ast):
        if case.expired():
            return None
        if _name(access) not in guarded:
            rest = [*others, *(node for node in clauses(ast.root) if node is not clause)]
            found = _lack(case, logic, access, rest)
            if found is not None:
                return found
    return None


def _name(access: Access) -> tuple[AccessKind, str | None, str | None]:
    return access.kind, access.domain, access.name


def _decisive(ast: Ast) -> Iterator[tuple[Access, Expr]]:
    """Yield the readings without a guard of which an error is one of their clause, each with the clause."""
    unguarded = {id(access.node): access for access in accesses(ast) if access.name and not access.guarded}
    for clause in clauses(ast.root):
        for node in _strict(clause):
            if id(node) in unguarded:
                yield unguarded[id(node)], clause


def _strict(node: Expr) -> Iterator[Expr]:
    """Yield the parts of an expression that are always evaluated."""
    stack = [node]
    while stack:
        part = stack.pop()
        yield part
        if not isinstance(part, Comprehension) and not (
            isinstance(part, Call) and part.function in (AND, OR, CONDITIONAL)
        ):
            stack.extend(reversed(children(part)))


def _lack(case: Case, logic: Logic, access: Access, rest: Sequence[Expr]) -> Lack | None:
    knowledge = knowledge_of(case.view)
    if access.domain == STANDARD_DOMAIN and logic.can_hold((*rest, *_of_kind(case, _STRANGER, _ANY_KIND))):
        return None  # whose devices are met cannot be told
    for known, entry in _entries(case, access):
        assert known.pack is not None  # the entry is one of it
        driver = known.pack.driver
        kinds = [kind for kind in known.pack.kinds or (_ANY_KIND,) if _may_be_here(known, kind)]
        met = [kind for kind in kinds if logic.can_hold((*rest, *_of_kind(case, driver, kind)))]
        having = [kind for kind in met if not entry.kinds or kind.name in entry.kinds]
        gated_on = bool(entry.gate) and knowledge.gate(driver, entry.gate) is True
        never = not having and not known.is_vague
        certain = not gated_on and not known.pack.partial  # a partial pack says which names there are, not when
        lacking = met if never else [kind for kind in having if certain and entry.may_lack(kind.name)]
        if lacking:
            return Lack(
                access,
                driver,
                () if len(lacking) == len(kinds) else tuple(kind.name for kind in lacking),
                tuple(device_of("", driver, kind.marks) for kind in lacking),
                never,
            )
    return None


def _may_be_here(known: DomainKnowledge, kind: DeviceKind) -> bool:
    """Return whether devices of a kind are there; where none of the driver is, any may come."""
    live = known.live.attributes if known.live is not None else {}
    marks = ((name.partition("/")[2], value) for name, value in kind.marks.items())
    return not live or all(bare in live and value in live[bare].values for bare, value in marks)


def _entries(case: Case, access: Access) -> Iterator[tuple[DomainKnowledge, CatalogueName]]:
    """Yield what the catalogue says of a name, of every driver whose pack has it."""
    knowledge = knowledge_of(case.view)
    drivers: Iterable[str] = (access.domain or "",)
    if access.domain == STANDARD_DOMAIN:
        drivers = sorted(case.view.catalogue)
    for driver in drivers:
        known = knowledge.domain(driver)
        if known is None or known.pack is None or not known.pack.is_driver:
            continue
        names = known.pack.attributes if access.kind is AccessKind.ATTRIBUTES else known.pack.capacities
        entry = names.get(f"{access.domain}/{access.name}")
        if entry is not None and knowledge.has(driver, entry):
            yield known, entry


def _of_kind(case: Case, driver: str, kind: DeviceKind) -> Iterator[Expr]:
    """Yield what holds of every device of a kind, as clauses."""
    marks = (_mark(name, value) for name, value in kind.marks.items())
    for text in chain((f"device.driver == '{driver}'",), marks):
        tree = compiled_new(text, case.view.server).ast
        if tree is not None:
            yield tree.root


def _mark(name: str, value: AttributeValue) -> str:
    domain, _, bare = name.partition("/")
    written = f"'{value}'" if isinstance(value, str) else str(value).lower()
    return f"device.attributes['{domain}'].{bare} == {written}"

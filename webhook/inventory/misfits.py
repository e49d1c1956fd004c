"""Uses of attributes and capacities that no value of theirs can be put to: by what all drivers have in common, or by
the types that the driver's catalogue and the live devices show.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from webhook.cel.operands import LIST, MAP, SINGLE, Use
from webhook.cel.places import ATTRIBUTES, Place, place_of
from webhook.cel.syntax import EQUALS, NOT_EQUALS, Ast, Call, walk
from webhook.core.claims import Alternative, Selector
from webhook.core.cluster import ClusterView
from webhook.inventory.case import Case
from webhook.inventory.knowledge import DomainKnowledge, knowledge_of
from webhook.inventory.reading import Reading, reading_of


@dataclass(frozen=True, slots=True)
class Misfit:
    """A use, and the types that the value can have.

    `universal`: whatever the driver publishes; else `known` are the types that are known of this very attribute, and
    `sure` is False where the driver is newer than what is known.
    """

    selector: Selector
    alternative: Alternative | None
    use: Use
    known: frozenset[str]
    universal: bool
    sure: bool = True


def type_misfits(case: Case) -> Iterator[Misfit]:
    for selector, alternative, ast in case.trees():
        for misfit in _of_tree(case.view, ast):
            yield Misfit(selector, alternative, *misfit)


def _of_tree(view: ClusterView, ast: Ast) -> Iterator[tuple[Use, frozenset[str], bool, bool]]:
    reading = reading_of(ast, view.server)
    for use in reading.uses:
        possible = reading.possible(use.place)
        domain = knowledge_of(view).domain(use.place.domain)
        if not use.types & possible:
            if not _is_unknown(use.place, domain):
                yield use, possible, True, True
            continue
        known = _known_types(use.place, domain)
        if known and not use.types & known and not _is_portable(use, reading, known):
            yield use, known, False, not (domain is not None and domain.newer)


def is_about_lists(use: Use) -> bool:
    """Return whether the use takes the value for a list or a map, and does not only compare it with one."""
    return bool(use.types) and use.types <= {LIST, MAP} and use.call.function not in (EQUALS, NOT_EQUALS)


def _is_unknown(place: Place, domain: DomainKnowledge | None) -> bool:
    """Return whether the name is not known under a known domain, which is said already and explains this."""
    if domain is None:
        return False
    return place.name not in (domain.attributes if place.field == ATTRIBUTES else domain.capacities)


def _known_types(place: Place, domain: DomainKnowledge | None) -> frozenset[str]:
    attribute = domain.attributes.get(place.name) if domain is not None and place.field == ATTRIBUTES else None
    types = attribute.types if attribute is not None else frozenset()
    return frozenset(type_ if type_ in SINGLE else LIST for type_ in types)


def _is_portable(use: Use, reading: Reading, known: frozenset[str]) -> bool:
    """Return whether the selector provides for several types: it asks for the type, or has an alternative that fits."""
    if not use.certain and any(other.place == use.place and other.types & known for other in reading.uses):
        return True
    return any(
        isinstance(node, Call) and node.function == "type" and place_of(node.args[0]) == use.place
        for node in walk(reading.ast.root)
    )

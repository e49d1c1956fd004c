"""What is to be known of one selector's text for several rules, found out once."""

from functools import cached_property

from webhook.cel.comparisons import Comparison, comparisons
from webhook.cel.environment import Environment
from webhook.cel.operands import LIST, QUANTITY, SINGLE, Nesting, Use, nestings, uses
from webhook.cel.places import ATTRIBUTES, Place, clauses
from webhook.cel.syntax import Ast, Expr
from webhook.cel.unparsable import Unparsable, unparsable_literals
from webhook.core.cache import BoundedCache
from webhook.core.versions import LIST_ATTRIBUTES, ServerTruth, minor
from webhook.inventory.matching import stored_environment

_MOST_KEPT = 250_000  # characters of source
_LISTS_SINCE = "1.36"  # KEP-5491, alpha


class Reading:
    """One checked tree; `lists` tells whether attributes may be lists on the server."""

    def __init__(self, ast: Ast, environment: Environment, lists: bool) -> None:
        self.ast = ast
        self._environment = environment
        self._lists = lists

    @cached_property
    def uses(self) -> tuple[Use, ...]:
        return tuple(uses(self.ast, self._environment))

    @cached_property
    def nestings(self) -> tuple[Nesting, ...]:
        return tuple(nestings(self.ast))

    @cached_property
    def unparsable(self) -> tuple[Unparsable, ...]:
        return tuple(unparsable_literals(self.ast))

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        return tuple(comparisons(self.ast))

    @cached_property
    def clauses(self) -> tuple[Expr, ...]:
        """The parts that && joins, but those in which a use, a nesting or a literal is wrong for every driver."""
        wrong = [
            *((use.call.start, use.call.end) for use in self.uses if not use.types & self.possible(use.place)),
            *((nesting.outer.start, nesting.outer.end) for nesting in self.nestings),
            *((found.literal.start, found.literal.end) for found in self.unparsable),
        ]
        return tuple(
            node
            for node in clauses(self.ast.root)
            if not any(node.start <= start and end <= node.end for start, end in wrong)
        )

    def possible(self, place: Place) -> frozenset[str]:
        """Return the types that a value can have at the place, whatever the driver."""
        if place.field != ATTRIBUTES:
            return frozenset({QUANTITY})
        return SINGLE | {LIST} if self._lists else SINGLE


_READINGS: BoundedCache[tuple[int, int, bool], Reading] = BoundedCache(_MOST_KEPT)


def reading_of(ast: Ast, server: ServerTruth) -> Reading:
    """Return the reading of a tree; it keeps the tree, so that no other one has its identity."""
    environment, lists = stored_environment(server), lists_are_possible(server)
    key = (id(ast), id(environment), lists)
    return _READINGS.get(key, len(ast.source), lambda: Reading(ast, environment, lists))


def lists_are_possible(server: ServerTruth) -> bool:
    """Return whether attributes may be lists (gate DRAListTypeAttributes, from 1.36 on)."""
    return minor(server.version) >= minor(_LISTS_SINCE) and server.gate(LIST_ATTRIBUTES) is not False

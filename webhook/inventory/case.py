"""Case: what a rule is given, and its selectors compiled as the API server would."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

from webhook.cel.compile import Compiled, Verdict, compile_selector, device_environment
from webhook.cel.environment import Environment
from webhook.cel.syntax import Ast
from webhook.core.cache import BoundedCache
from webhook.core.claims import Alternative, Claim, Selector
from webhook.core.cluster import ClusterView
from webhook.core.devices import DeviceClass
from webhook.core.fieldpath import FieldPath
from webhook.core.raw import RawObject
from webhook.core.versions import CONSUMABLE_CAPACITY, LIST_ATTRIBUTES, ServerTruth


def never() -> bool:
    """Return that the time is not over: nobody waits."""
    return False


T = TypeVar("T")

_AT_ONCE = 256
"""How many items are looked at before the time is asked for again."""


def in_time(expired: Callable[[], bool], items: Iterable[T]) -> Iterator[T]:
    """Yield the items as long as there is time; who concludes from all of them asks for it again afterwards."""
    for position, item in enumerate(items):
        if position % _AT_ONCE == 0 and expired():
            return
        yield item


@dataclass(frozen=True, slots=True)
class Case:
    """One claim, template or class to judge, beside the cluster as it is known.

    `expired` answers whether the time for this review is over: what is left then is `unjudged` (contract 7.5).
    `raw` is the subject as received. `before` is what a DeviceClass was before this change; None where it is new.
    """

    subject: Claim | DeviceClass
    namespace: str
    view: ClusterView
    expired: Callable[[], bool] = field(default=never)
    raw: RawObject = field(default_factory=dict)
    before: DeviceClass | None = None

    def alternatives(self) -> tuple[Alternative, ...]:
        return tuple(self.subject.alternatives()) if isinstance(self.subject, Claim) else ()

    def selectors(self) -> Iterator[tuple[Selector, Alternative | None]]:
        """Yield every selector of the subject with the alternative that it belongs to (None in a class)."""
        if isinstance(self.subject, DeviceClass):
            for selector in self.subject.selectors:
                yield selector, None
        for alternative in self.alternatives():
            for selector in alternative.selectors:
                yield selector, alternative

    def with_text(self, path: FieldPath, expression: str) -> "Case":
        """Return the case with another expression at the path of a selector."""
        if isinstance(self.subject, DeviceClass):
            return replace(self, subject=replace(self.subject, selectors=_rewritten(self.subject, path, expression)))
        requests = tuple(
            replace(
                request,
                alternatives=tuple(
                    replace(one, selectors=_rewritten(one, path, expression)) for one in request.alternatives
                ),
            )
            for request in self.subject.requests
        )
        return replace(self, subject=replace(self.subject, requests=requests))

    def trees(self) -> Iterator[tuple[Selector, Alternative | None, Ast]]:
        """Yield every selector that the API server accepts, with its checked tree, until the time is over."""
        for selector, alternative in self.selectors():
            if self.expired():
                return
            compiled = compiled_new(selector.expression, self.view.server)
            if compiled.ast is not None and compiled.verdict is Verdict.OK:
                yield selector, alternative, compiled.ast


def _rewritten(owner: Alternative | DeviceClass, path: FieldPath, expression: str) -> tuple[Selector, ...]:
    return tuple(Selector(expression, path) if one.path == path else one for one in owner.selectors)


# In characters of source; what is kept of an expression weighs some two hundred times as much in bytes.
_MOST_CHARACTERS = 250_000
_COMPILED: BoundedCache[tuple[str, int], Compiled] = BoundedCache(_MOST_CHARACTERS)


def compiled_in(expression: str, environment: Environment) -> Compiled:
    """Return the verdict on an expression; the same text is compiled once."""
    key = (expression, id(environment))  # environments are cached for good, so their identity is stable
    return _COMPILED.get(key, len(expression), lambda: compile_selector(expression, environment))


def compiled_new(expression: str, server: ServerTruth) -> Compiled:
    """Return the verdict on a new expression: accepted if any setting of the gates that are not known accepts it.

    The first refusal is that of the gates' defaults, whose words fit the server best.
    """
    first: Compiled | None = None
    for consumable in _settings(server, CONSUMABLE_CAPACITY):
        for lists in _settings(server, LIST_ATTRIBUTES):
            compiled = compiled_in(
                expression,
                device_environment(server.version, consumable_capacity=consumable, list_attributes=lists),
            )
            if compiled.verdict is Verdict.OK:
                return compiled
            first = first or compiled
    assert first is not None  # each gate has at least one setting
    return first


def _settings(server: ServerTruth, gate: str) -> tuple[bool, ...]:
    known = server.gate(gate)
    default = server.gate_or_default(gate)
    return (default,) if known is not None else (default, not default)

"""What charging asks of the known devices; the answers come from a cluster view, in tests from a list."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from webhook.core.claims import Alternative, Selector
from webhook.core.device import Device
from webhook.core.quotas import Match

T = TypeVar("T")
U = TypeVar("U")

Node = Iterable[tuple[Device, int]]
"""The devices that can be used together from one node: each shape, and how many there are of it."""


class Supply(Protocol):
    """The devices that requests may get (contract 5.1): published, in the newest complete generations, or planned."""

    def offers(self, alternative: Alternative, selector: Selector | None) -> Sequence[Device]:
        """Return the shapes that the class's selectors and the alternative's own accept, and that could serve it.

        With a limit's selector only those that satisfy it; all of them where that selector cannot be judged. One of
        each shape is enough: devices that differ in nothing that is charged.
        """

    def in_time(self, call: Callable[[T], U], items: Sequence[T]) -> Sequence[U] | None:
        """Return what the call gives for each item; None where there was no time for all."""

    def shapes(self) -> Iterable[Device]:
        """Return one of each shape that is known at all."""

    def on_nodes(self, alternative: Alternative, selector: Selector | None) -> Sequence[Node] | None:
        """Return the same devices node by node; a planned shape stands on a node of its own, as many as fit there.

        None where there was no time for all.
        """

    def satisfies(self, device: Device, selector: Selector) -> bool:
        """Return whether a device satisfies a limit's selector; true where that cannot be judged."""

    def device(self, driver: str, pool: str, name: str) -> Device | None:
        """Return a device by its name, also one that is gone but remembered."""

    def rules_out(self, alternative: Alternative, match: Match) -> bool:
        """Return whether no device that the limit matches could be accepted, whatever else it publishes."""

    def most_slices(self, alternative: Alternative, match: Match) -> int:
        """Return the most compute slices of a device that the limit matches and the request could accept."""

"""Where in its life the server is: serving, draining, closed."""

from enum import Enum


class Phase(Enum):
    SERVING = "serving"
    DRAINING = "draining"
    """Told to end: not ready, but every request is served, with `Connection: close`."""
    CLOSED = "closed"
    """Past the drain time: what still comes is sent away with Retry-After."""


class Lifecycle:
    """The one mutable word that the edge, the probes and the signals share; belongs to one event loop."""

    def __init__(self) -> None:
        self.phase = Phase.SERVING

    @property
    def ending(self) -> bool:
        return self.phase is not Phase.SERVING

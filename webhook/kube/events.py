"""Events that Drawbridge writes on pods and quotas, each once an hour at most."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from structlog.typing import FilteringBoundLogger

from webhook.kube.client import AlreadyExistsError, ApiClient, ApiError, GarbledError

_MOST_REMEMBERED = 10_000
_MOST_TEXT = 1000
_EXPIRE = timedelta(hours=1)
"""How long the API server keeps an Event, where nobody has set `--event-ttl`."""


@dataclass(frozen=True, slots=True)
class About:
    """The object that an Event is about; one without a namespace has its Events in `default`, as in Kubernetes."""

    kind: str
    namespace: str
    name: str
    uid: str
    api_version: str = "v1"

    @property
    def place(self) -> str:
        return self.namespace or "default"


class Events:
    """Writes warnings; the same one about the same object only once while it lasts, however often it is given."""

    def __init__(
        self,
        api: ApiClient,
        now: Callable[[], datetime],
        log: FilteringBoundLogger,
        component: str = "drawbridge-controller",
    ) -> None:
        self._api = api
        self._now = now
        self._log = log
        self._component = component
        self._told: OrderedDict[str, datetime] = OrderedDict()

    async def warn(self, about: About, reason: str, message: str, *, quotes_users: bool = False) -> bool:
        """Write a warning; False where it stands already, or cannot be written, which is logged.

        What quotes users is not logged.
        """
        digest = hashlib.sha256(f"{about.uid} {reason} {message}".encode()).hexdigest()[:16]
        now = self._now()
        if digest in self._told and now < self._told[digest] + _EXPIRE:
            return False
        self._told[digest] = now
        self._told.move_to_end(digest)
        if len(self._told) > _MOST_REMEMBERED:
            self._told.popitem(last=False)
        said = {} if quotes_users else {"message": message}
        self._log.info("event", reason=reason, namespace=about.namespace, name=about.name, **said)
        try:
            await self._api.create(
                f"/api/v1/namespaces/{about.place}/events", self._event(about, reason, message, digest)
            )
        except AlreadyExistsError:
            return False  # told by another controller, or before a restart
        except (ApiError, GarbledError) as error:
            self._log.warning("event not written", why=str(error))
            return False
        return True

    def _event(self, about: About, reason: str, message: str, digest: str) -> dict[str, object]:
        moment = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
        subject = {"apiVersion": about.api_version, "kind": about.kind}
        if about.namespace:
            subject["namespace"] = about.namespace
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{about.name[:200]}.{digest}", "namespace": about.place},
            "involvedObject": {**subject, "name": about.name, "uid": about.uid},
            "type": "Warning",
            "reason": reason,
            "message": message[:_MOST_TEXT],
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "count": 1,
        }

"""One parsed AdmissionRequest (`admission.k8s.io/v1`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from webhook.core.raw import RawObject


@dataclass(frozen=True, slots=True)
class Resource:
    """`group`, `version` and plural `name` of a resource, or of a kind with its singular name."""

    group: str
    version: str
    name: str


@dataclass(frozen=True, slots=True)
class Review:
    """What the API server asks. `object` and `old_object` are the decoded JSON, unchanged; trust `namespace`, not
    the object's own (dra.md trap 69). `name` is empty while only a generateName is known.
    """

    uid: str
    operation: str
    kind: Resource
    resource: Resource
    name: str = ""
    namespace: str = ""
    sub_resource: str = ""
    username: str = ""
    groups: tuple[str, ...] = ()
    user_uid: str = ""
    user_extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dry_run: bool = False
    object: RawObject | None = None
    old_object: RawObject | None = None
    request_kind: Resource | None = None
    timeout_seconds: float | None = None
    options: RawObject = field(default_factory=dict)

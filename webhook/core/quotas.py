"""DeviceQuota and ClusterDeviceQuota (contract 1)."""

from dataclasses import dataclass, field

from webhook.core.labels import LabelSelector


@dataclass(frozen=True, slots=True)
class DeviceQuota:
    """A quota; a ClusterDeviceQuota has the namespace "" and one pot over all that its selector names."""

    namespace: str
    name: str
    namespace_selector: LabelSelector = field(default_factory=LabelSelector)

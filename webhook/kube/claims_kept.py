"""Claims as they are kept by the tens of thousands.

They come from a few templates: what they ask for is kept once, and of each of them only what charging reads, who it is
made for, and since when.
"""

from collections import OrderedDict
from dataclasses import replace
from sys import intern

import msgspec

from webhook.core.claims import AllocatedDevice, Claim, Metadata, OwnerReference, parse_claim
from webhook.core.raw import RawObject, Reader
from webhook.kube.kinds import CLAIMS, KINDS

_MOST_SPECS = 8_192


class _Specs:
    """What claims ask for, each once: the claims that were read last, by the JSON of their spec."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._read: OrderedDict[bytes, Claim] = OrderedDict()

    def claim(self, raw: RawObject) -> Claim:
        """Return the claim, sharing all parts of its spec with others of the same spec."""
        key = msgspec.json.encode((raw.get("apiVersion"), raw.get("spec")))
        known = self._read.get(key)
        if known is None:
            known = self._read[key] = parse_claim({**raw, "metadata": {}, "status": {}})
            if len(self._read) > self._most:
                self._read.popitem(last=False)
        bare = parse_claim({**raw, "spec": {}})
        return replace(known, metadata=_slim(bare.metadata), allocated=_interned(bare.allocated))


_SPECS = _Specs(_MOST_SPECS)


def _slim(metadata: Metadata) -> Metadata:
    owner = metadata.controller()
    kept = () if owner is None else (OwnerReference("", intern(owner.kind), owner.name, "", controller=True),)
    return Metadata(
        namespace=intern(metadata.namespace),
        name=metadata.name,
        uid=metadata.uid,
        owners=kept,
        creation_timestamp=intern(metadata.creation_timestamp),
    )


def _interned(devices: tuple[AllocatedDevice, ...] | None) -> tuple[AllocatedDevice, ...] | None:
    if devices is None:
        return None
    return tuple(
        replace(
            device,
            request=intern(device.request),
            driver=intern(device.driver),
            pool=intern(device.pool),
            device=intern(device.device),
        )
        for device in devices
    )


def _keep(raw: RawObject, reader: Reader) -> Claim:
    claim = _SPECS.claim(raw)
    reader.misfits.extend(claim.misfits)
    return claim


KEPT_CLAIMS = replace(CLAIMS, keep=_keep)
"""Claims as a program keeps all of a cluster's: without labels, annotations, and owners but the controller's name."""

SERVING = tuple(KEPT_CLAIMS if kind is CLAIMS else kind for kind in KINDS)
"""What a server watches."""

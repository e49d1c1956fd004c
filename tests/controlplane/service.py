"""The Service of deploy/, whose endpoints the tests make: nobody runs pods here."""

import socket
from contextlib import suppress

import pytest

from tests.controlplane.api import Api, Json

SLICES = "discovery.k8s.io/v1/endpointslices"


def own_address() -> str:
    """Return an address of this machine that a Service may have, not loopback; without one the test is skipped."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(("198.51.100.1", 9))  # nothing is sent
        address = str(probe.getsockname()[0])
        if not address.startswith("127."):
            return address
    pytest.skip("this machine has only loopback addresses, which no Service may have")


def publish(api: Api, namespace: str, name: str, address: str, port: int) -> Json:
    """Make what listens at an address an endpoint of the Service, as kubelet and endpoint controller do for a pod."""
    metadata = {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": "drawbridge"}}
    return api.create(
        SLICES,
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata,
            "addressType": "IPv4",
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        },
    )

"""What the API server reads as JSON, Drawbridge reads too: the same claims pass with it and without."""

import json

import pytest

from tests.controlplane.api import Api, ApiError, path_of
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.objects import CLAIMS, make_claim_object, make_exact_request

pytestmark = pytest.mark.e2e
PLACE = "the parameters"
METADATA_ALONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
ACCEPTED = "accepted"


def _verdict(api: Api, namespace: str, parameters: bytes) -> str:
    """Return what becomes of a claim with these parameters for a driver, as they stand, on a dry run."""
    claim = make_claim_object(namespace, "odd", make_exact_request())
    claim["spec"]["devices"]["config"] = [{"opaque": {"driver": "npu.vendor.io", "parameters": PLACE}}]
    body = json.dumps(claim).encode().replace(json.dumps(PLACE).encode(), parameters)
    try:
        api.send("POST", path_of(CLAIMS, namespace), body, query={"dryRun": "All"}, accept=METADATA_ALONE)
    except ApiError as error:
        return f"{error.code} {error.message}"
    return ACCEPTED


def _nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


KEPT = {
    "a key twice": b'{"a": 1, "a": 2}',
    "keys that differ in case": b'{"a": 1, "A": 2}',
    "no key": b'{"": 1}',
    "a whole number of 30 digits": b'{"a": 123456789012345678901234567890}',
    "a number near the end of a double": b'{"a": 1.7976931348623157e308}',
    "minus zero": b'{"a": -0}',
    "half a surrogate pair": b'{"a": "\\ud800"}',
    "a pair the wrong way round": b'{"\\udc00\\ud800": 1}',
    "a zero character": b'{"a": "\\u0000"}',
    "nested 200 deep": _nested(200),
    "nested 1,500 deep": _nested(1_500),
}
REFUSED = {
    "no number": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "a leading zero": b'{"a": 01}',
    "a comma too many": b'{"a": 1,}',
    "a comment": b'{"a": 1 /* one */}',
    "a single quote": b"{'a': 1}",
    "a line end in a string": b'{"a": "\n"}',
    "a list": b"[1]",
    "two values": b"{} {}",
}


@pytest.mark.parametrize("parameters", [*KEPT.values(), *REFUSED.values()], ids=[*KEPT, *REFUSED])
def test_t_05_what_the_api_server_reads_is_read(cluster: ControlPlane, guarded: str, parameters: bytes) -> None:
    alone = _verdict(cluster.api, "default", parameters)
    assert (alone == ACCEPTED) == (parameters in KEPT.values()), alone
    assert _verdict(cluster.api, guarded, parameters).replace(guarded, "default") == alone


def test_t_05_bytes_that_are_no_text_are_refused_by_us(cluster: ControlPlane, guarded: str) -> None:
    """The API server passes them on as they are. They are no JSON, so that failurePolicy decides."""
    parameters = b'{"a": "\xff\xfe"}'
    assert _verdict(cluster.api, "default", parameters) == ACCEPTED
    assert "failed calling webhook" in _verdict(cluster.api, guarded, parameters)
    assert _verdict(cluster.api, guarded, b"{}") == ACCEPTED

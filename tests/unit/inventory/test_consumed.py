"""What a share takes of a capacity: the arithmetic of KEP-5075, by Kubernetes version."""

from fractions import Fraction

import pytest

from webhook.core.capacities import Capacity, RequestPolicy
from webhook.core.claims import Alternative, CapacityRequest
from webhook.core.device import Device, device_of
from webhook.core.fieldpath import ROOT
from webhook.core.quantity import parse_quantity
from webhook.core.versions import ServerTruth
from webhook.inventory.consumed import Arithmetic, arithmetic_of, can_serve, consumed

Q = parse_quantity


def policy(
    default: str | None = None,
    minimum: str | None = None,
    maximum: str | None = None,
    step: str | None = None,
    values: tuple[str, ...] = (),
) -> RequestPolicy:
    default_, minimum_, maximum_, step_ = (
        None if text is None else Q(text) for text in (default, minimum, maximum, step)
    )
    return RequestPolicy(default_, tuple(Q(value) for value in values), minimum_, maximum_, step_)


FREE = policy("40Gi")
RANGE = policy("80Gi", "1Gi", "80Gi", "3Gi")
SMOOTH = policy("80Gi", "10Gi", "80Gi")
LISTED = policy("20Gi", values=("10Gi", "20Gi", "40Gi"))
HALVES = policy("1", "500m", "8", "500m")

CASES = {
    "nothing asked, no policy: the whole value": (None, None, "80Gi"),
    "nothing asked: the default": (None, FREE, "40Gi"),
    "nothing asked, default of zero: zero": (None, policy("0", "0", "80Gi", "1Mi"), "0"),
    "no policy: exactly as asked": ("35Gi", None, "35Gi"),
    "no policy: a fraction stays one": ("1500m", None, "1500m"),
    "no policy: zero is zero": ("0", None, "0"),
    "only a default: as asked": ("35Gi", FREE, "35Gi"),
    "below the minimum: the minimum": ("1Mi", RANGE, "1Gi"),
    "steps count from the minimum, not from zero": ("3Gi", RANGE, "4Gi"),
    "on a step: as asked": ("4Gi", RANGE, "4Gi"),
    "one byte over a step: the next step": ("4294967297", RANGE, "7Gi"),
    "no step: as asked": ("11Gi", SMOOTH, "11Gi"),
    "no step, below the minimum: the minimum": ("1Gi", SMOOTH, "10Gi"),
    "above the maximum: not rounded down": ("82Gi", SMOOTH, "82Gi"),
    "listed value": ("20Gi", LISTED, "20Gi"),
    "between listed values: the next larger": ("11Gi", LISTED, "20Gi"),
    "below all listed values: the smallest": ("1", LISTED, "10Gi"),
    "above all listed values: as asked": ("41Gi", LISTED, "41Gi"),
    "negative with a minimum: the minimum": ("-1Gi", RANGE, "1Gi"),
}


@pytest.mark.parametrize(("asked", "by", "expected"), CASES.values(), ids=CASES.keys())
def test_consumed_amount(asked: str | None, by: RequestPolicy | None, expected: str) -> None:
    amount = None if asked is None else Q(asked).amount
    for arithmetic in Arithmetic:
        assert consumed(Capacity(Q("80Gi"), by), amount, arithmetic) == Q(expected).amount


FRACTIONS = {
    "whole units: everything is rounded up first": (Arithmetic.WHOLE, "1500m", HALVES, "2"),
    "thousandths: a step of a half is exact": (Arithmetic.MILLI, "1500m", HALVES, "1500m"),
    "thousandths: the next half": (Arithmetic.MILLI, "1600m", HALVES, "2"),
    "whole units: a step of a thousandth counts as one": (
        Arithmetic.WHOLE,
        "1100m",
        policy("1", "1", "8", "1m"),
        "2",
    ),
    "thousandths: a step of a thousandth is exact": (Arithmetic.MILLI, "1100m", policy("1", "1", "8", "1m"), "1100m"),
    "thousandths: a step below one falls back to whole units": (
        Arithmetic.MILLI,
        "1100m",
        policy("1", "1", "8", "100u"),
        "2",
    ),
    "thousandths: values beyond 64 bits fall back to whole units": (
        Arithmetic.MILLI,
        "1100m",
        policy("1", "1", "9Ei", "500m"),
        "2",
    ),
}


@pytest.mark.parametrize(("arithmetic", "asked", "by", "expected"), FRACTIONS.values(), ids=FRACTIONS.keys())
def test_fractions_by_arithmetic(arithmetic: Arithmetic, asked: str, by: RequestPolicy, expected: str) -> None:
    assert consumed(Capacity(Q("9Ei"), by), Q(asked).amount, arithmetic) == Q(expected).amount


@pytest.mark.parametrize(
    ("version", "gates", "expected"),
    [
        ("1.34", {}, Arithmetic.WHOLE),
        ("1.36", {}, Arithmetic.WHOLE),
        ("1.37", {}, Arithmetic.MILLI),
        ("1.37", {"DRAFractionalCapacityRange": False}, Arithmetic.WHOLE),
    ],
)
def test_thousandths_come_with_the_gate_of_1_37(version: str, gates: dict[str, bool], expected: Arithmetic) -> None:
    assert arithmetic_of(ServerTruth(version, gates=gates)) is expected


def asking(**amounts: str) -> Alternative:
    requests = tuple(CapacityRequest(name, Q(text), ROOT) for name, text in amounts.items())
    return Alternative("gpu", ROOT, "gpu.example.com", capacity=requests)


def card(by: RequestPolicy | None = None, **more: Capacity) -> Device:
    capacity = {"d.example/memory": Capacity(Q("80Gi"), by), **{f"d.example/{name}": c for name, c in more.items()}}
    return device_of("gpu-0", "d.example", capacity=capacity, allow_multiple_allocations=True)


SERVED = {
    "nothing asked": (asking(), card(), True),
    "all of it": (asking(memory="80Gi"), card(), True),
    "the driver-qualified spelling": (asking(**{"d.example/memory": "80Gi"}), card(), True),
    "one byte more than there is": (asking(memory="85899345921"), card(), False),
    "a capacity that the device lacks": (asking(cores="1"), card(), False),
    "above the maximum of the range": (asking(memory="41Gi"), card(policy("1Gi", "1Gi", "40Gi")), False),
    "rounded above the maximum": (asking(memory="40Gi"), card(policy("1Gi", "1Gi", "40Gi", "3Gi")), True),
    "rounded beyond what the range allows": (asking(memory="40.5Gi"), card(policy("1Gi", "1Gi", "40Gi", "3Gi")), False),
    "above the last listed value": (asking(memory="41Gi"), card(LISTED), False),
    "a listed value": (asking(memory="15Gi"), card(LISTED), True),
    "the default is always allowed": (asking(), card(policy("7Gi", "1Gi", "40Gi", "3Gi")), True),
    "another capacity that is taken whole": (asking(memory="1Gi"), card(cores=Capacity(Q("100"))), True),
}


@pytest.mark.parametrize(("asked", "device", "expected"), SERVED.values(), ids=SERVED.keys())
def test_device_can_serve(asked: Alternative, device: Device, expected: bool) -> None:
    assert can_serve(device, asked, Arithmetic.WHOLE) is expected


def test_of_two_spellings_the_larger_counts() -> None:
    both = Alternative(
        "gpu",
        ROOT,
        "c",
        capacity=(CapacityRequest("memory", Q("1Gi"), ROOT), CapacityRequest("d.example/memory", Q("81Gi"), ROOT)),
    )
    assert not can_serve(card(), both, Arithmetic.WHOLE)


def test_an_exact_third_of_a_step_is_no_float() -> None:
    by = policy("1", "1", "9007199254740993", "1")
    value = Capacity(Q("9007199254740993"), by)
    assert consumed(value, Fraction(9007199254740993), Arithmetic.WHOLE) == 9007199254740993

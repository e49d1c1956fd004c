"""Bad input of drivers: what is odd about slices is known and said, and the rest goes on."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.support.build import Raw, claim_object, class_object, device, make_slice, make_view, request, slice_object
from webhook.cli import main
from webhook.inventory.inventory import inventory_of
from webhook.inventory.oddities import all_oddities
from webhook.inventory.schema import MOST_VALUES

OWN = "device.attributes['gpu.example.com']"


def written(file: Path, *objects: Raw) -> Path:
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))
    return file


def inventory(folder: Path, *slices: Raw, arguments: tuple[str, ...] = ()) -> str:
    cluster = written(folder / "cluster.json", class_object(), *slices)
    done = CliRunner().invoke(main, ["inventory", "--cluster", str(cluster), *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def findings(folder: Path, *objects: Raw, cluster: tuple[Raw, ...] = ()) -> list[dict[str, Any]]:
    """Return what `check` finds in objects, beside a cluster of these slices."""
    around = written(folder / "cluster.json", class_object(), *cluster)
    subject = written(folder / "subject.json", *objects)
    done = CliRunner().invoke(main, ["check", "-o", "json", "--cluster", str(around), str(subject)])
    found: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    return found


def checked(folder: Path, *objects: Raw, cluster: tuple[Raw, ...] = ()) -> list[tuple[str, str]]:
    return [(found["rule"], found["message"]) for found in findings(folder, *objects, cluster=cluster)]


MIXED = slice_object(device("gpu-0", index=0), device("gpu-1", index="one"), device("gpu-2", index=2))
TWICE = slice_object(device("gpu-0"), device("gpu-1"), device("gpu-0"))


def test_an_attribute_of_two_types_is_said_with_how_many_devices_have_each(tmp_path: Path) -> None:
    said = "attribute `index` of 'gpu.example.com' is of type int on 2 devices and of type string on 1 devices"
    assert inventory(tmp_path, MIXED).splitlines()[-1] == f"note: {said}"
    assert "int or string" in inventory(tmp_path, MIXED, arguments=("schema",))
    assert json.loads(inventory(tmp_path, MIXED, arguments=("-o", "json")))["notes"] == [said]


def test_check_says_on_which_devices_a_comparison_with_one_of_the_types_fails(tmp_path: Path) -> None:
    claim = claim_object(request("gpu", f"{OWN}.index == 0"))
    assert checked(tmp_path, claim, cluster=(MIXED,)) == []  # unlike values are unequal, which is no error
    claim = claim_object(request("gpu", f"{OWN}.index < 2"))
    (found,) = checked(tmp_path, claim, cluster=(MIXED,))
    assert found == (
        "selector-may-fail",
        "ends in an error on 1 of 3 devices of class 'gpu.example.com': no such overload",
    )


def test_device_names_that_are_there_twice_are_said(tmp_path: Path) -> None:
    said = "pool 'node-1' of driver 'gpu.example.com' has several devices named 'gpu-0'"
    assert inventory(tmp_path, TWICE).splitlines()[-1].startswith(f"note: {said}")
    other = {**slice_object(device("gpu-0"), count=2), "metadata": {"name": "second"}}
    assert said in inventory(tmp_path, slice_object(device("gpu-0"), count=2), other)
    assert [rule for rule, _ in checked(tmp_path, TWICE)] == ["invalid-field"]


def test_an_empty_pool_has_no_devices_and_hides_no_others(tmp_path: Path) -> None:
    empty = slice_object(node="node-2")
    (driver,) = json.loads(inventory(tmp_path, slice_object(device("gpu-0")), empty, arguments=("-o", "json")))[
        "drivers"
    ]
    assert (driver["pools"], driver["devices"], driver["incompletePools"]) == (2, 1, [])
    only = json.loads(inventory(tmp_path, empty, arguments=("-o", "json")))["drivers"]
    assert [(one["pools"], one["devices"], one["shapes"]) for one in only] == [(1, 0, [])]
    claim = claim_object(request("gpu", f"{OWN}.index == 0"))
    assert checked(tmp_path, claim, cluster=(slice_object(device("gpu-0", index=0)), empty)) == []


@pytest.mark.parametrize("amount", ["9" * 400, "1e4000", "-1", "1n", "0"])
def test_t_29_an_absurd_quantity_stops_nothing(tmp_path: Path, amount: str) -> None:
    odd = slice_object(device("gpu-0", {"memory": amount}, index=0), device("gpu-1", {"memory": "80Gi"}, index=1))
    assert "gpu-1" not in inventory(tmp_path, odd)
    claim = claim_object(request("gpu", "device.capacity['gpu.example.com'].memory.isGreaterThan(quantity('40Gi'))"))
    found = checked(tmp_path, claim, cluster=(odd,))
    assert [rule for rule, _ in found if rule != "selector-may-fail"] == []


def test_t_29_ten_thousand_attributes_are_known_and_a_slip_of_the_pen_in_one_is_mended(tmp_path: Path) -> None:
    many: dict[str, Any] = {f"attribute{number:05}": number for number in range(10_000)}
    cluster = slice_object(device("gpu-0", **many, productName="X"))
    claim = claim_object(request("gpu", f"{OWN}.productname == 'X'"))
    (found,) = findings(tmp_path, claim, cluster=(cluster,))
    assert (found["rule"], found["severity"]) == ("selector-unknown-attribute", "deny")
    assert found["fixes"][0]["message"].startswith("did you mean `productName`?")
    assert "attribute09999" in inventory(tmp_path, cluster, arguments=("schema",))


def test_of_an_attribute_with_a_value_of_its_own_on_each_device_no_more_is_counted_than_is_needed() -> None:
    slices = [
        make_slice(*(device(f"gpu-{n}-{i}", serial=f"s-{n}-{i}") for i in range(128)), node=f"node-{n}")
        for n in range(MOST_VALUES // 128 + 40)
    ]
    serial = inventory_of(make_view(*slices)).domains["gpu.example.com"].attributes["serial"]
    assert not serial.is_whole
    assert len(serial.values) < 128 * len(slices)
    assert list(all_oddities(inventory_of(make_view(*slices)))) == []

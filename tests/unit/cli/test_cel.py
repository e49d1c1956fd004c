import json
from pathlib import Path

from click.testing import CliRunner, Result

from webhook.cli.cel import cel

DEVICES = """
- name: gpu-0
  driver: gpu.example.com
  attributes: {type: {string: gpu}}
  capacity: {memory: {value: 80Gi}}
- name: gpu-1
  driver: gpu.example.com
"""
TYPE_IS_GPU = "device.attributes['gpu.example.com'].type == 'gpu'"


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(cel, list(arguments), input=given, catch_exceptions=False)


def reports(*arguments: str, given: str | None = None) -> list[dict[str, object]]:
    result = run(*arguments, "-o", "json", given=given)
    assert result.exit_code == 0
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_an_accepted_expression_is_reported_with_type_and_cost() -> None:
    (report,) = reports("device.driver == 'x'")
    assert report == {
        "expr": "device.driver == 'x'",
        "ok": True,
        "kind": "ok",
        "error": "",
        "type": "bool",
        "max_cost": "3",
        "diagnostics": [],
    }


def test_a_refused_expression_is_reported_with_both_wordings_and_a_fix() -> None:
    (report,) = reports("device.driver = 'x'")
    assert (report["ok"], report["kind"], report["type"], report["max_cost"]) == (False, "invalid", "", "")
    assert str(report["error"]).startswith("compilation failed: ERROR: <input>:1:15: Syntax error")
    assert report["diagnostics"] == [
        {
            "message": "`=` does not compare",
            "span": {"start": 14, "end": 15},
            "fixes": [{"message": "use `==`", "edits": [{"field": "expr", "value": "device.driver == 'x'"}]}],
        }
    ]


def test_each_line_of_standard_input_is_answered_in_order() -> None:
    given = "true\ndevice.driver\n" + json.dumps({"expr": "1 == 1"}) + "\n{'a': 1} == {}\n"
    assert [report["expr"] for report in reports(given=given)] == ["true", "device.driver", "1 == 1", "{'a': 1} == {}"]


def test_an_expression_is_evaluated_on_each_device(tmp_path: Path) -> None:
    file = tmp_path / "devices.yaml"
    file.write_text(DEVICES)
    (report,) = reports(TYPE_IS_GPU, "--device", str(file))
    assert report["results"] == [
        {"device": "gpu-0", "result": True, "cost": 5},
        {"device": "gpu-1", "eval_error": "no such key: type", "cost": 5},
    ]


def test_a_line_may_bring_its_own_device() -> None:
    device = {"driver": "x", "attributes": {"a": {"int": 1}}}
    line = json.dumps({"expr": "device.attributes['x'].a == 1", "device": device})
    (report,) = reports(given=line + "\n")
    assert report["results"] == [{"device": "[0]", "result": True, "cost": 5}]


def test_a_line_with_a_broken_device_says_so_in_its_answer_and_the_rest_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "devices.yaml"
    file.write_text(DEVICES)
    broken: list[object] = [
        3,
        [],
        {"driver": 1},
        {"attributes": {"a": 1}},
        {"attributes": []},
        {"capacity": {"memory": {"value": "80GB"}}},
        "gpu-7",
    ]
    lines = [json.dumps({"expr": TYPE_IS_GPU, "device": device}) for device in [*broken, "gpu-0"]]
    *told, last = [
        report["results"] for report in reports("--device", str(file), given="".join(f"{line}\n" for line in lines))
    ]
    quantity = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    typed = "attribute 'a' must have exactly one of `bool`, `int`, `string`, `version` or their lists"
    words = [
        "the device cannot be read: a device must be an object",
        "the device cannot be read: a device must be an object",
        "the device cannot be read: `driver` must be a string",
        f"the device cannot be read: {typed}",
        "the device cannot be read: `attributes` must be an object",
        f"the device cannot be read: capacity 'memory': {quantity}",
    ]
    assert told == [
        *([{"device": "[0]", "eval_error": text, "cost": 0}] for text in words),
        [{"device": "gpu-7", "eval_error": "there is no such device in the file of --device", "cost": 0}],
    ]
    assert last == [{"device": "gpu-0", "result": True, "cost": 5}]


def test_a_line_that_nests_too_deep_is_an_expression_that_does() -> None:
    (report,) = reports(given='{"expr":' * 100_000 + "\n")
    assert report["ok"] is False


def test_the_text_shows_the_place_the_fix_and_the_mended_expression() -> None:
    result = run("device.driver = 'x'")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "device.driver = 'x'",
        "  invalid: `=` does not compare",
        "  | device.driver = 'x'",
        "  |               ^",
        "  fix: use `==`",
        "  mended: device.driver == 'x'",
    ]


def test_the_tree_is_shown_on_demand() -> None:
    lines = run("1 < 2", "--tree").stdout.splitlines()
    assert lines[2:] == [
        "  function _<_: bool less_int64 [0:5]",
        "    literal 1: int [0:1]",
        "    literal 2: int [4:5]",
    ]


def test_versions_and_gates_are_taken_from_flags() -> None:
    text = "device.allowMultipleAllocations"
    assert reports(text, "--kubernetes-version", "1.35")[0]["ok"] is False
    gated = reports(text, "--kubernetes-version", "1.35", "--feature-gates", "DRAConsumableCapacity=true")
    assert gated[0]["ok"] is True


def test_a_version_that_we_do_not_know_is_judged_as_the_nearest_with_a_warning() -> None:
    result = run("true", "--kubernetes-version", "1.99")
    assert result.exit_code == 0
    assert "Kubernetes 1.99 is not supported, judging as 1.37 does" in result.stderr


def test_unusable_flags_end_with_two() -> None:
    assert run("true", "--kubernetes-version", "new").exit_code == 2
    assert run("true", "--feature-gates", "DRAConsumableCapacity").exit_code == 2
    assert run("true", "--device", "/does/not/exist").exit_code == 2

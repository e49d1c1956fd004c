"""The folder reader: one view of many files, broken manifests named, changes seen once they have settled."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from webhook.core.errors import SettingsError
from webhook.core.versions import CONSUMABLE_CAPACITY, LIST_ATTRIBUTES
from webhook.kube.folder import Assumptions, Folder, load_folder

CLAIM = """apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {{name: {name}}}
spec: {{devices: {{requests: [{{name: gpu, exactly: {{deviceClassName: gpu, count: {count}}}}}]}}}}
"""
_SECONDS = itertools.count(1_000_000)
NODE = "{apiVersion: v1, kind: Node, metadata: {name: %s}}\n"


def _claim(name: str, count: object = 1) -> str:
    return CLAIM.format(name=name, count=count)


def test_folders_files_and_lists_make_one_view(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "two.yml").write_text(_claim("a") + "---\n" + _claim("b"))
    listed = '{"apiVersion": "v1", "kind": "NodeList", "items": [{"metadata": {"name": "n1"}}]}'
    (tmp_path / "nodes.json").write_text(listed)
    (tmp_path / "notes.txt").write_text("not a manifest")
    alone = tmp_path.parent / f"{tmp_path.name}-alone"
    alone.write_text(_claim("c"))
    view, problems = load_folder([tmp_path, alone], namespace="team-a")
    assert problems == ()
    assert set(view.claims) == {("team-a", "a"), ("team-a", "b"), ("team-a", "c")}
    assert set(view.nodes) == {"n1"}
    assert view.given


def test_a_broken_document_names_its_line_and_the_others_are_used(tmp_path: Path) -> None:
    (tmp_path / "many.yaml").write_text(_claim("a") + "---\nkind: [\n---\n" + _claim("b"))
    view, problems = load_folder([tmp_path])
    assert set(view.claims) == {("default", "a"), ("default", "b")}
    (problem,) = problems
    assert (Path(problem.file).name, problem.line) == ("many.yaml", 7)


def test_a_wrongly_typed_field_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("# a comment\n---\n" + _claim("a", '"2"'))
    view, problems = load_folder([tmp_path])
    assert set(view.claims) == {("default", "a")}
    (problem,) = problems
    assert problem.field == "spec.devices.requests[0].exactly.count"
    assert problem.line == 6


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("a: 1\n", "apiVersion", id="neither apiVersion nor kind"),
        pytest.param("kind: ResourceClaim\n", "apiVersion", id="a kind without apiVersion"),
        pytest.param("apiVersion: resource.k8s.io/v1alpha3\nkind: ResourceClaim\n", "must be one of", id="not served"),
        pytest.param("apiVersion: resource.k8s.io/v1\nkind: ResourceClaim\n", "metadata.name", id="without a name"),
        pytest.param("\udcff", "UTF-8", id="not UTF-8"),
        pytest.param("[" * 5000, "must be YAML", id="nested without end"),
    ],
)
def test_what_cannot_be_used_is_a_problem(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "one.yaml").write_bytes(text.encode("utf-8", "surrogateescape"))
    view, problems = load_folder([tmp_path])
    assert not view.claims
    assert said in str(problems[0])


def test_the_same_object_in_two_files_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(_claim("a", 1))
    (tmp_path / "b.yaml").write_text(_claim("a", 2))
    view, problems = load_folder([tmp_path])
    assert view.claims["default", "a"].requests[0].alternatives[0].count == 2
    assert "as well" in problems[0].message


def test_a_missing_path_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        load_folder([tmp_path / "absent"])


def test_yaml_scalars_are_those_of_json(tmp_path: Path) -> None:
    labels = "{day: 2026-11-21, time: 12:30:45, size: 1_0, 2: two, true: yes it is}"
    (tmp_path / "n.yaml").write_text(f"{{apiVersion: v1, kind: Namespace, metadata: {{name: n, labels: {labels}}}}}\n")
    view, problems = load_folder([tmp_path])
    known = view.namespaces["n"].labels
    assert known["day"] == "2026-11-21"
    assert known["time"] == "12:30:45"
    assert known["2"] == "two"
    assert known["true"] == "yes it is"
    assert [problem.field for problem in problems] == ["metadata.labels[size]"]


def test_t_12_a_namespace_always_has_the_label_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "n.yaml").write_text("{apiVersion: v1, kind: Namespace, metadata: {name: n}}\n")
    view, _ = load_folder([tmp_path])
    assert view.namespace_labels("n") == {"kubernetes.io/metadata.name": "n"}


def test_gates_are_the_versions_defaults_unless_stated_or_shown_by_slices(tmp_path: Path) -> None:
    listed = "{apiVersion: resource.k8s.io/v1, kind: ResourceSlice, metadata: {name: s}, spec: {driver: d,"
    devices = "devices: [{name: x, attributes: {a: {ints: [1, 2]}}}]}}"
    (tmp_path / "s.yaml").write_text(f"{listed} {devices}\n")
    view, _ = load_folder([tmp_path], kubernetes_version="1.34", feature_gates={"Foo": True})
    assert view.server.version == "1.34"
    assert view.server.gate(LIST_ATTRIBUTES) is True
    assert view.server.gate(CONSUMABLE_CAPACITY) is False
    assert view.server.gates["Foo"] is True


def test_another_version_is_judged_as_the_nearest_supported_one(tmp_path: Path) -> None:
    (tmp_path / "n.yaml").write_text(NODE % "n")
    view, _ = load_folder([tmp_path], kubernetes_version="1.99")
    assert (view.server.version, view.server.exact) == ("1.37", False)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "a.yaml").write_text(_claim("a"))
    (tmp_path / "n.yaml").write_text(NODE % "n")
    made = Folder([tmp_path], Assumptions())
    made.read()
    return made


def _write(path: Path, text: str) -> None:
    """Write a file whose stamp differs from every one before it."""
    path.write_text(text)
    second = next(_SECONDS)
    os.utime(path, (second, second))


def test_nothing_changed_is_no_reading(folder: Folder) -> None:
    assert folder.changed() is None


def test_a_change_is_read_once_it_has_stood_still_for_one_poll(folder: Folder, tmp_path: Path) -> None:
    _write(tmp_path / "b.yaml", _claim("b"))
    assert folder.changed() is None
    reading = folder.changed()
    assert reading is not None
    assert set(reading.view.claims) == {("default", "a"), ("default", "b")}
    assert folder.changed() is None


def test_what_has_not_changed_is_shared_with_the_view_before(folder: Folder, tmp_path: Path) -> None:
    before = folder.read().view
    _write(tmp_path / "b.yaml", _claim("b"))
    after = folder.read().view
    assert after.nodes is before.nodes
    assert after.claims["default", "a"] is before.claims["default", "a"]


@pytest.mark.parametrize(
    "disappear",
    [
        pytest.param(lambda path: path.unlink(), id="the file is removed"),
        pytest.param(lambda path: _write(path, ""), id="the file is emptied"),
        pytest.param(lambda path: _write(path, _claim("z")), id="another claim takes its place"),
    ],
)
def test_a_claim_that_disappears_is_told(folder: Folder, tmp_path: Path, disappear: Callable[[Path], None]) -> None:
    disappear(tmp_path / "a.yaml")
    assert folder.changed() is None
    reading = folder.changed()
    assert reading is not None
    assert [claim.metadata.name for claim in reading.gone] == ["a"]


def test_a_file_that_becomes_unreadable_keeps_its_claims(folder: Folder, tmp_path: Path) -> None:
    _write(tmp_path / "a.yaml", "kind: [")
    folder.changed()
    reading = folder.changed()
    assert reading is not None
    assert set(reading.view.claims) == {("default", "a")}
    assert reading.gone == ()
    assert len(reading.problems) == 1


def test_a_claim_made_again_with_another_uid_is_gone(folder: Folder, tmp_path: Path) -> None:
    _write(tmp_path / "a.yaml", _claim("a").replace("{name: a}", "{name: a, uid: u2}"))
    assert [claim.metadata.name for claim in folder.read().gone] == ["a"]


def test_a_linked_folder_that_leads_back_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "n.yaml").write_text(NODE % "n")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    _, problems = load_folder([tmp_path])
    assert problems == ()

"""Paths as the API server writes them."""

from webhook.core.fieldpath import ROOT


def test_a_path_is_written_as_kubernetes_writes_it() -> None:
    path = ROOT.child("spec", "devices", "requests").index(0).child("exactly", "capacity", "requests").key("a/b")
    assert str(path) == "spec.devices.requests[0].exactly.capacity.requests[a/b]"


def test_a_pointer_escapes_slash_and_tilde() -> None:
    assert ROOT.child("metadata", "annotations").key("a/b~c").index(2).pointer() == "/metadata/annotations/a~1b~0c/2"


def test_indices_sort_as_numbers() -> None:
    paths = [ROOT.child("r").index(n) for n in (10, 9, 1)]
    assert [str(p) for p in sorted(paths, key=lambda p: p.order())] == ["r[1]", "r[9]", "r[10]"]

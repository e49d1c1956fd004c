"""Reading decoded JSON: what does not fit is noted, and no object can make that long."""

from webhook.core.fieldpath import ROOT
from webhook.core.finding import Severity, unjudged
from webhook.core.raw import MOST_ITEMS, MOST_MISFITS, Reader
from webhook.core.render import annotation


def test_a_list_is_read_up_to_a_bound_and_the_rest_noted() -> None:
    reader = Reader()
    read = list(reader.structs({"config": [{}] * (MOST_ITEMS + 5)}, "config", ROOT))
    assert len(read) == MOST_ITEMS
    assert [str(misfit.path) for misfit in reader.misfits] == ["config"]


def test_misfits_are_kept_up_to_a_bound() -> None:
    reader = Reader()
    assert list(reader.structs({"config": [1] * 5_000}, "config", ROOT)) == []
    assert len(reader.misfits) == MOST_MISFITS


def test_an_annotation_of_many_findings_renders_only_what_fits() -> None:
    text = annotation([unjudged(ROOT.child("a").index(index), "x", "must be an object") for index in range(50_000)])
    assert len(text) <= 8 * 1024
    assert '"more":49' in text
    assert Severity.INFO.value in text

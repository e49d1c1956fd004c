"""Reading decoded JSON: what does not fit is noted, and no object can make that long."""

from collections.abc import Callable

import pytest

from webhook.core.fieldpath import ROOT
from webhook.core.finding import Json, Severity, unjudged
from webhook.core.raw import MOST_ITEMS, MOST_MISFITS, Misfit, Reader
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


def misfit_of(read: Callable[[Reader], object]) -> Misfit:
    reader = Reader()
    read(reader)
    (found,) = reader.misfits
    return found


@pytest.mark.parametrize(
    ("value", "meant"),
    [("2", (2,)), (" 2 ", (2,)), (2.0, (2,)), ("two", ()), ("2.5", ()), (2.5, ()), (True, ()), (2**70, ())],
)
def test_an_integer_in_quotes_is_understood(value: object, meant: tuple[Json, ...]) -> None:
    assert misfit_of(lambda reader: reader.integer({"count": value}, "count", ROOT)).meant == meant


@pytest.mark.parametrize(("value", "meant"), [("true", (True,)), ("No", (False,)), ("maybe", ()), (1, ())])
def test_true_and_false_in_quotes_are_understood(value: object, meant: tuple[Json, ...]) -> None:
    assert misfit_of(lambda reader: reader.flag({"adminAccess": value}, "adminAccess", ROOT)).meant == meant


@pytest.mark.parametrize(("value", "meant"), [(3, ("3",)), (True, ()), (1.10, ()), ([], ())])
def test_a_number_is_a_text_without_its_quotes(value: object, meant: tuple[Json, ...]) -> None:
    """Of `yes` and 1.10 nobody knows how they were written."""
    assert misfit_of(lambda reader: reader.text({"value": value}, "value", ROOT)).meant == meant


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("10GiB", ("10Gi",)),
        ("80GB", ("80G", "80Gi")),
        ({"value": "10Gi"}, ("10Gi",)),
        ({"value": "much"}, ()),
        ("much", ()),
        (True, ()),
    ],
)
def test_a_quantity_with_another_unit_or_in_a_box_is_understood(value: object, meant: tuple[Json, ...]) -> None:
    assert misfit_of(lambda reader: reader.quantity(value, ROOT)).meant == meant


def test_one_item_in_the_place_of_a_list_is_understood() -> None:
    assert misfit_of(lambda reader: reader.texts({"requests": "gpu"}, "requests", ROOT)).meant == (["gpu"],)
    one = {"operator": "Exists"}
    assert misfit_of(lambda reader: list(reader.structs({"a": one}, "a", ROOT))).meant == ([one],)
    assert misfit_of(lambda reader: reader.texts({"requests": {}}, "requests", ROOT)).meant == ()


def test_a_text_in_the_place_of_an_object_is_understood() -> None:
    given = {"cel": "true", "selectors": ["true"]}
    told = misfit_of(lambda reader: reader.struct(given, "cel", ROOT, inner="expression"))
    assert told.meant == ({"expression": "true"},)
    told = misfit_of(lambda reader: list(reader.structs(given, "selectors", ROOT, inner="cel.expression")))
    assert told.meant == ({"cel": {"expression": "true"}},)
    assert misfit_of(lambda reader: reader.struct(given, "cel", ROOT)).meant == ()


def test_an_annotation_of_many_findings_renders_only_what_fits() -> None:
    text = annotation([unjudged(ROOT.child("a").index(index), "x", "must be an object") for index in range(50_000)])
    assert len(text) <= 8 * 1024
    assert '"more":49' in text
    assert Severity.INFO.value in text

"""Fixes of all findings on one field become one edit."""

from webhook.core.fieldpath import ROOT
from webhook.core.finding import Finding, Fix, Replacement, Severity, Span
from webhook.core.mending import mended, replaced

SOURCE = "device.attributes['d'].produkt == 'a' && device.attributes['d'].brnad == 'b'"
PATH = ROOT.child("spec")


def slip(wrong: str, right: str) -> Finding:
    at = SOURCE.index(wrong)
    span = Span(at, at + len(wrong))
    fix = Fix(f"did you mean `{right}`?", replacements=(Replacement(span, right),))
    return Finding("r", Severity.DENY, PATH, wrong, (fix,), SOURCE, span)


def test_all_findings_on_a_field_are_mended_in_one_text() -> None:
    whole = "device.attributes['d'].productName == 'a' && device.attributes['d'].brand == 'b'"
    assert mended((slip("produkt", "productName"), slip("brnad", "brand"))) == {PATH: whole}


def test_a_field_with_a_finding_that_cannot_be_mended_gets_no_edit() -> None:
    hopeless = Finding("r", Severity.DENY, PATH, "x", (), SOURCE, Span(0, 6))
    assert mended((slip("produkt", "productName"), hopeless)) == {}


def test_the_same_replacement_twice_is_made_once() -> None:
    assert mended((slip("brnad", "brand"), slip("brnad", "brand"))) == {PATH: SOURCE.replace("brnad", "brand")}


def test_replacements_that_overlap_are_not_made() -> None:
    changes = [Replacement(Span(0, 3), "x"), Replacement(Span(2, 5), "y")]
    assert replaced("abcdef", changes) is None

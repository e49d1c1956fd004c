"""Findings as words on lines."""

import json

import pytest

from webhook.core.fieldpath import ROOT
from webhook.core.finding import Finding, Fix, Severity, Span
from webhook.core.render import Style, annotation, cause_text, excerpt, full_text, message, warnings

PATH = ROOT.child("spec", "devices", "requests").index(0).child("exactly", "selectors").index(1)
EXPRESSION = 'device.attributes["gpu.example.com"].productname == "A100"'


def finding(**fields: object) -> Finding:
    given = {
        "rule": "selector-unknown-attribute",
        "severity": Severity.DENY,
        "path": PATH.child("cel", "expression"),
        "message": "driver 'gpu.example.com' publishes no attribute `productname`",
        "fixes": (Fix("did you mean `productName`? (names are case-sensitive)"),),
        "source": EXPRESSION,
        "span": Span(37, 48),
        **fields,
    }
    return Finding(**given)  # type: ignore[arg-type]  # a test states only what matters


def test_a_finding_is_written_as_the_page_of_messages_shows() -> None:
    path = "spec.devices.requests[0].exactly.selectors[1].cel.expression"
    assert full_text(finding()).splitlines() == [
        f"{path}: driver 'gpu.example.com' publishes no attribute `productname` [selector-unknown-attribute]",
        f"  | {EXPRESSION}",
        "  |                                      ^^^^^^^^^^^",
        "  fix: did you mean `productName`? (names are case-sensitive)",
        "  see: drawbridge rule selector-unknown-attribute",
    ]


def test_a_cause_does_not_repeat_the_path() -> None:
    assert cause_text(finding()).startswith("driver 'gpu.example.com' publishes no attribute")


def test_docs_url_makes_links() -> None:
    assert "see: https://docs/selector-unknown-attribute" in full_text(finding(), Style("https://docs/"))


def test_the_first_line_stays_under_200_characters() -> None:
    assert all(len(full_text(finding(message="x" * n)).splitlines()[0]) <= 200 for n in (10, 100, 300))


def test_more_than_ten_findings_are_counted() -> None:
    text = message([finding(path=ROOT.child("a").index(n)) for n in range(17)])
    assert text.endswith("\nand 7 more")
    assert text.count("[selector-unknown-attribute]") == 10


def test_tabs_are_one_space_and_carets_stay_right() -> None:
    assert list(excerpt("a\t== bad", Span(5, 8))) == ["  | a == bad", "  |      ^^^"]


def test_wide_characters_take_two_columns() -> None:
    assert list(excerpt("'\u6f22' bad", Span(4, 7))) == ["  | '\u6f22' bad", "  |      ^^^"]


def test_combining_characters_take_none() -> None:
    assert list(excerpt("e\u0301 bad", Span(3, 6))) == ["  | e\u0301 bad", "  |   ^^^"]


def test_control_characters_and_lone_surrogates_are_escaped() -> None:
    assert list(excerpt("a\x00\ud800 b", Span(4, 5))) == ["  | a\\u0000\\ud800 b", "  |               ^"]


def test_t_28_a_path_of_the_users_own_words_is_one_line_that_prints() -> None:
    path = ROOT.child("spec", "requests").key("me\r\nmory\x1b[2J\u2028\x9b31m")
    found = finding(path=path, severity=Severity.WARN, message="no\nsuch\x1b[2J capacity", source="")
    [warning] = warnings([found])
    assert warning.isprintable()
    assert warning.startswith("requests[me\\u000d\\u000amory")
    assert [line for line in full_text(found).split("\n") if not line.isprintable()] == []
    assert len(full_text(found).split("\n")) == len(full_text(finding(source="")).split("\n"))


def test_only_the_line_of_the_span_is_shown() -> None:
    assert list(excerpt("one &&\n  two\n", Span(9, 12))) == ["  |   two", "  |   ^^^"]


def test_a_long_line_is_cut_around_the_span() -> None:
    line, caret = excerpt("x" * 500 + "bad" + "y" * 500, Span(500, 503))
    assert len(line) < 220
    assert line[caret.index("^") : caret.index("^") + 3] == "bad"


def test_a_warning_has_at_most_120_characters_and_its_rule() -> None:
    [line] = warnings([finding(severity=Severity.WARN)])
    assert len(line) <= 120
    assert line.startswith("requests[0].selectors[1]: driver")
    assert line.endswith("[selector-unknown-attribute]")


@pytest.mark.parametrize(
    ("fix", "room", "shown"),
    [
        ("write `a` (names are case-sensitive)", 36, "write `a` (names are case-sensitive)"),
        ("write `a` (names are case-sensitive)", 35, "write `a`"),
        ("write `a`; others are 'b', 'c'", 29, "write `a`"),
        ("did you mean 'a'? No device has it", 33, "did you mean 'a'?"),
        ("write `a`; others are 'b' (and more)", 26, "write `a`; others are 'b'"),
        ("write `a`; others are 'b' (and more)", 24, "write `a`"),
        ("write 'a; b'. It is published", 28, "write 'a; b'"),
        ("write 'a; b'", 11, None),
        ("write `(a) && (b)`", 17, None),
    ],
)
def test_a_fix_that_does_not_fit_loses_its_remarks_before_it_is_left_out(
    fix: str, room: int, shown: str | None
) -> None:
    problem = "m" * (120 - len("requests[0].selectors[1]: ; " + " [selector-unknown-attribute]") - room)
    [line] = warnings([finding(severity=Severity.WARN, message=problem, fixes=(Fix(fix),))])
    ending = "" if shown is None else f"; {shown}"
    assert line == f"requests[0].selectors[1]: {problem}{ending} [selector-unknown-attribute]"


def test_info_is_never_a_warning() -> None:
    assert warnings([finding(severity=Severity.INFO)]) == ()


def test_t_24_at_most_ten_warnings_are_given_and_the_rest_counted() -> None:
    lines = warnings([finding(severity=Severity.WARN, message=f"m{n}") for n in range(15)])
    assert len(lines) == 10
    assert lines[-1] == "and 6 more warnings; `drawbridge check` shows them all"


def test_the_annotation_is_cut_at_8_kib_with_a_count() -> None:
    text = annotation([finding(message="\u00e9" * 200) for _ in range(100)])
    content = json.loads(text)
    assert len(text.encode()) <= 8 * 1024
    assert content["more"] == 100 - len(content["findings"]) > 0

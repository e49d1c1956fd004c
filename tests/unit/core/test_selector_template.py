"""Placeholders in selectors: inside string literals only, and escaped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.cel.lexer import STRING, tokenize
from webhook.cel.literals import string_value
from webhook.core.selector_template import parse_selector_template

NAMES = frozenset({"profile"})


def _filled(source: str, value: str) -> str:
    template, problems = parse_selector_template(source, NAMES)
    assert not problems
    assert template is not None
    return template.filled({"profile": value})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("p == '{profile}'", "p == '1g.10gb'", id="in single quotes"),
        pytest.param('p == "{profile}"', 'p == "1g.10gb"', id="in double quotes"),
        pytest.param("p == '''{profile}'''", "p == '''1g.10gb'''", id="in triple quotes"),
        pytest.param("p == 'a{profile}b'", "p == 'a1g.10gbb'", id="inside other text"),
        pytest.param("p == '{profile}' || q == '{profile}'", "p == '1g.10gb' || q == '1g.10gb'", id="twice"),
        pytest.param(r"p == '\'' + '{profile}'", r"p == '\'' + '1g.10gb'", id="after an escaped quote"),
        pytest.param(r"p == r'\' + '{profile}'", r"p == r'\' + '1g.10gb'", id="after a raw string that ends in \\"),
        pytest.param("p.matches('^a{2}$')", "p.matches('^a{2}$')", id="a repetition of a pattern is no placeholder"),
        pytest.param("{'a': 1}['a'] == 1", "{'a': 1}['a'] == 1", id="a map is no placeholder"),
    ],
)
def test_placeholder_is_filled(source: str, expected: str) -> None:
    assert _filled(source, "1g.10gb") == expected


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("p == {profile}", id="as code"),
        pytest.param("p.{profile}", id="as a name"),
        pytest.param("p == r'{profile}'", id="in a raw string, which knows no escapes"),
        pytest.param("p == b'{profile}'", id="in bytes"),
        pytest.param("p // '{profile}'", id="in a comment"),
        pytest.param("p == '{profile}", id="in a string that does not end"),
        pytest.param("p == '{profil}'", id="a name that has no value"),
    ],
)
def test_placeholder_elsewhere_is_refused(source: str) -> None:
    template, problems = parse_selector_template(source, NAMES)
    assert template is None
    assert len(problems) == 1


def test_every_problem_is_told() -> None:
    _, problems = parse_selector_template("{profile} == '{other}'", NAMES)
    assert problems == (
        "placeholder '{profile}' must stand inside a string literal that is not raw or bytes",
        "placeholder '{other}' has no value; there are '{profile}'",
    )


@given(st.text(max_size=30), st.sampled_from(["'", '"', "'''", '"""']))
def test_whatever_a_value_holds_it_stays_one_string(value: str, quotes: str) -> None:
    source = _filled(f"device.driver == {quotes}{{profile}}{quotes}", value)
    tokens = tokenize(source)
    strings = [
        source[start:end]
        for kind, start, end in zip(tokens.kinds, tokens.starts, tokens.ends, strict=True)
        if kind == STRING
    ]
    assert [string_value(text) for text in strings] == [value]
    assert len(tokens.kinds) == len(tokenize("device.driver == 'x'").kinds)

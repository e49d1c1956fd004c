"""Manifests as bytes: whatever they are, they are objects or problems, with their places."""

import subprocess
import sys

import pytest

from webhook.core.fieldpath import ROOT
from webhook.kube.manifests import Position, read_documents
from webhook.kube.yaml_values import DEEPEST

SPEC = ROOT.child("spec")


def spec_of(written: str) -> object:
    [document], problems = read_documents("a.yaml", f"apiVersion: v1\nkind: Pod\nspec: {written}\n".encode())
    assert problems == ()
    return document.raw["spec"]


def problem_of(content: str) -> str:
    documents, [problem] = read_documents("a.yaml", content.encode())
    assert documents == ()
    return problem.message


VALUES = {
    "a date without a tag": ("2026-01-31", "2026-01-31"),
    "a date with its tag": ("!!timestamp 2026-01-31", "2026-01-31"),
    "a number that JSON cannot hold": ("1e400", "1e400"),
    "infinity with its tag": ("!!float .inf", ".inf"),
    "a set": ("!!set {a, b}", {"a": None, "b": None}),
    "an ordered map": ("!!omap [a: 1]", [{"a": 1}]),
    "pairs": ("!!pairs [a: 1, a: 2]", [{"a": 1}, {"a": 2}]),
    "base64": ("!!binary aGk=", "hi"),
    "base64 of what is no text": ("!!binary /w==", "\ufffd"),
    "an alias": ("[&a {b: 1}, *a]", [{"b": 1}, {"b": 1}]),
}


@pytest.mark.parametrize(("written", "value"), VALUES.values(), ids=VALUES.keys())
def test_values_are_those_of_json(written: str, value: object) -> None:
    assert spec_of(written) == value


@pytest.mark.parametrize("written", ["!!int ''", "!!int x", "!!float ''", "!!bool x", "!!bool ''", "!!int 0x"])
def test_a_value_that_is_none_of_its_tag_is_a_problem_with_its_place(written: str) -> None:
    _, [problem] = read_documents("a.yaml", f"apiVersion: v1\nkind: Pod\nspec: {written}\n".encode())
    kind = written.removeprefix("!!").split(" ")[0]
    assert (problem.line, problem.message) == (3, f"must be YAML: the value must be of its type '{kind}'")


def test_base64_that_is_none_is_a_problem() -> None:
    said = problem_of("apiVersion: v1\nkind: Pod\nspec: !!binary é\n")
    assert said == "must be YAML: the value must be of its type 'binary'"


@pytest.mark.parametrize(
    "written", ["[" * 100_000 + "]" * 100_000, "{a: " * 100_000 + "}" * 100_000, "\n  " + "- " * 100_000 + "1"]
)
def test_a_hundred_thousand_levels_are_a_problem_and_do_not_end_the_process(written: str) -> None:
    """In a process of its own: what is tested against cannot be caught."""
    program = (
        "import sys; from webhook.kube.manifests import read_documents;"
        "print(read_documents('a.yaml', sys.stdin.buffer.read())[1][0].message)"
    )
    text = f"apiVersion: v1\nkind: Pod\nspec: {written}\n"
    done = subprocess.run([sys.executable, "-c", program], input=text.encode(), capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"must be YAML: nested deeper than {DEEPEST} levels\n".encode())


def test_many_levels_are_read() -> None:
    assert spec_of("[" * 900 + "]" * 900) != []
    assert spec_of(str([{"a": 1}] * 2_000)) == [{"a": 1}] * 2_000


@pytest.mark.parametrize("written", ["&a [*a]", "&a {b: {c: *a}}"])
def test_a_value_that_holds_itself_is_a_problem(written: str) -> None:
    said = problem_of(f"apiVersion: v1\nkind: Pod\nspec: {written}\n")
    assert said == "must be YAML: its aliases hold themselves, or make too many values"


def test_aliases_that_multiply_are_a_problem() -> None:
    levels = [
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]" for before, name in zip("abcdef", "bcdefg", strict=True)
    ]
    said = problem_of("\n".join(["apiVersion: v1", "kind: Pod", "a: &a 1", *levels]))
    assert said == "must be YAML: its aliases hold themselves, or make too many values"


JSON_VALUES = {
    "half a surrogate pair": ('"a\\ud800b"', "a\ufffdb"),
    "a surrogate pair": ('"\\ud83d\\ude00"', "\U0001f600"),
    "a number beyond a double": ("-1e400", "-1e400"),
    "NaN": ("NaN", "NaN"),
}


@pytest.mark.parametrize(("written", "value"), JSON_VALUES.values(), ids=JSON_VALUES.keys())
def test_values_of_json_can_all_be_written_again(written: str, value: object) -> None:
    text = f'{{"apiVersion": "v1", "kind": "Pod", "spec": {written}}}'
    [document], problems = read_documents("a.json", text.encode())
    assert (document.raw["spec"], problems) == (value, ())


MERGED = {
    "its own key wins": ("{<<: {a: 1, b: 2}, a: 3}", {"a": 3, "b": 2}),
    "the first of several wins": ("{<<: [{a: 1}, {a: 2, b: 3}]}", {"a": 1, "b": 3}),
    "a merge of a merge": ("{<<: {<<: {a: 1}, b: 2}, c: 3}", {"a": 1, "b": 2, "c": 3}),
}


@pytest.mark.parametrize(("written", "value"), MERGED.values(), ids=MERGED.keys())
def test_a_merge_key_puts_in_what_it_names(written: str, value: object) -> None:
    assert spec_of(written) == value


@pytest.mark.timeout(20)
def test_merges_of_merges_do_not_multiply() -> None:
    steps = zip("abcdefghijklmn", "bcdefghijklmno", strict=True)
    levels = [f"  {name}: &{name} {{<<: [{', '.join([f'*{before}'] * 10)}]}}" for before, name in steps]
    text = "\n".join(["apiVersion: v1", "kind: Pod", "spec:", "  a: &a {k: 1}", *levels])
    [document], _ = read_documents("a.yaml", text.encode())
    assert document.raw["spec"] == {key: {"k": 1} for key in "abcdefghijklmno"}


@pytest.mark.parametrize("value", ['"\\ud800"', '"\x7f"', f'{{"{"k" * 2000}": 1}}'])
def test_json_that_is_no_yaml_is_read_and_placed_at_its_beginning(value: str) -> None:
    [document], problems = read_documents("a.json", f'{{"apiVersion": "v1", "kind": "Pod", "spec": {value}}}'.encode())
    assert problems == ()
    assert document.position(SPEC) == Position(1, 1)


@pytest.mark.parametrize(
    ("text", "place", "message", "fix"),
    [
        ("a: 1\n\tb: 2\n", (2, 1), "a tab may not indent a line", "indent with spaces"),
        ("a: b: c\n", (1, 5), "mapping values are not allowed in this context", "in quotes, or mend the indentation"),
        ("a: {b: 1\nc: 2\n", (2, 2), "did not find expected ',' or '}'", "the brackets here or on the line before"),
        ("a: @x\n", (1, 4), "found character that cannot start any token", "put the text in quotes"),
        ('a: "x\nb: 1\n', (3, 1), "found unexpected end of stream", "close the quote"),
        ("a: {{ .Values.x }}\n", (1, 5), "the file is a template", "`helm template`"),
    ],
)
def test_what_no_reader_of_yaml_takes_is_told_at_its_place_with_what_to_do(
    text: str, place: tuple[int, int], message: str, fix: str
) -> None:
    _, (problem,) = read_documents("x.yaml", f"apiVersion: v1\nkind: A\n---\n{text}".encode())
    assert (problem.line - 3, problem.column) == place
    assert problem.message == f"must be YAML: {message}"
    assert fix in problem.fix
    assert problem.shown == (text.splitlines()[place[0] - 1] if place[0] <= text.count("\n") else "")

"""Each failure mode and each threat has a row on its page, and rows name the tests that there are."""

import ast
import re
from functools import cache

import pytest

from tests.support.golang import REPOSITORY

PAGES = {
    "failure-modes.md": [f"FM-{number:02}" for number in range(1, 53)],
    "threat-model.md": [f"T-{number:02}" for number in range(1, 31)],
}
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
OF_AN_ID = re.compile(r"test_(fm|t)_(\d\d)_")
UNTESTED = "Not tested here: "


def rows(page: str) -> list[tuple[str, list[str]]]:
    """Return the id and the other cells of each row of a page's tables."""
    path = REPOSITORY / "docs" / "explanation" / page
    lines = path.read_text().splitlines() if path.exists() else []
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if re.match(r"\| (FM|T)-", line)]
    return [(first, rest) for first, *rest in cells]


def named(cell: str) -> list[tuple[str, str]]:
    """Return the tests that a cell names: file and function."""
    return TEST.findall(cell)


@cache
def functions() -> frozenset[tuple[str, str]]:
    """Return every test that there is: file and function."""
    return frozenset(
        (path.relative_to(REPOSITORY).as_posix(), node.name)
        for path in (REPOSITORY / "tests").rglob("test_*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


@pytest.mark.parametrize("page", PAGES)
def test_every_id_has_one_row_in_order(page: str) -> None:
    assert [each for each, _ in rows(page)] == PAGES[page]


@pytest.mark.parametrize("page", PAGES)
def test_a_row_names_tests_that_there_are_or_says_why_not(page: str) -> None:
    for each, cells in rows(page):
        assert len(cells) == 3, each
        assert all(cells), each
        tests = named(cells[2])
        assert tests or cells[2].startswith(UNTESTED), f"{each} names no test and does not begin with '{UNTESTED}'"
        assert set(tests) <= functions(), each
        assert not [name for _, name in tests if not OF_AN_ID.match(name)], each


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_is_there(page: str) -> None:
    assert set(named((REPOSITORY / "docs" / "explanation" / page).read_text())) <= functions()


def test_a_test_of_an_id_is_named_in_the_row_of_that_id() -> None:
    in_rows = {(each, test) for page in PAGES for each, cells in rows(page) for test in named(cells[-1])}
    of_ids = {
        (f"{found[1].upper()}-{found[2]}", (file, name))
        for file, name in functions()
        if (found := OF_AN_ID.match(name))
    }
    assert of_ids - in_rows == set()

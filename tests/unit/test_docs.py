"""What the pages for people promise: links lead somewhere, and the denial in the README is a real one."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PLACES = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/**/*.md",
    "policies/**/*.md",
    "examples/**/*.md",
)
PAGES = sorted(page for place in PLACES for page in REPOSITORY.glob(place))
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]+\]\(([^)]+)\)")


def _links(page: Path) -> Iterator[str]:
    yield from _LINK.findall(_FENCED.sub("", page.read_text()))


def _headings(page: Path) -> set[str]:
    """Return the headings of a page as links name them."""
    lines = [line.lstrip("# ").lower() for line in page.read_text().splitlines() if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", line).strip().replace(" ", "-") for line in lines}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_of_a_page_lead_to_files_and_headings_that_are_there(page: Path) -> None:
    for link in _links(page):
        if link.startswith("https://"):
            continue
        name, _, heading = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not heading or heading in _headings(target), link


def test_the_denial_in_the_readme_is_what_kubectl_shows() -> None:
    golden = (REPOSITORY / "tests" / "golden" / "kubectl" / "misspelt-attribute.v1.txt").read_text()
    assert f"```\n$ kubectl create -f training.yaml\n{golden}```\n" in (REPOSITORY / "README.md").read_text()


def test_make_targets_that_pages_name_are_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"`make ([a-z-]+)`", page.read_text())}
    assert named
    assert named <= targets


def test_pages_do_not_name_what_only_one_machine_has() -> None:
    for page in PAGES:
        assert str(Path(__file__).resolve().parents[2]) not in page.read_text(), page
        assert str(Path.home()) not in page.read_text(), page

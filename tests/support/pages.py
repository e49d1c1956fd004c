"""The pages of policies/ as executable examples: a cluster, an object, and what Drawbridge says to it.

Fenced blocks of a page: `yaml cluster` and `yaml settings` (each holds for what follows it), then `yaml claim`,
`yaml pod` and the like (sent to a server) or `yaml file` (given to `drawbridge check`), each followed by its
`text denied`, `text allowed` or `text info`.
`{300 letters}` in an object stands for that many.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

POLICIES = Path(__file__).resolve().parents[2] / "policies"
_BLOCK = re.compile(r"^```(yaml|text) (\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_LETTERS = re.compile(r"\{(\d+) letters\}")
ACCEPTING = ("Accepted", "Rewritten")


@dataclass(frozen=True, slots=True)
class Example:
    """One object of a page; `start` and `end` are where its expected text stands in the page."""

    page: Path
    number: int
    section: str
    cluster: str
    settings: str
    form: str
    manifest: str
    verdict: str
    expected: str
    start: int
    end: int

    @property
    def rule(self) -> str:
        return self.page.parent.name

    @property
    def speaks(self) -> bool:
        """Return whether the page says that its rule has something to say to this object."""
        return self.section not in ACCEPTING

    def __str__(self) -> str:
        return f"{self.rule}, {self.section.lower()} {self.number}"


def rule_pages() -> list[Path]:
    return sorted(POLICIES.glob("*/README.md"))


def reason_pages() -> list[Path]:
    """Return the page of each reason to leave a pod alone."""
    return sorted(path for path in (POLICIES / "legacy-left-alone").glob("*.md") if path.name != "README.md")


def examples(page: Path) -> Iterator[Example]:
    """Yield the examples of a page in order."""
    text = page.read_text()
    headings = [(match.start(), match[1]) for match in _HEADING.finditer(text)]
    cluster, settings, form, manifest, number = "", "", "", "", 0
    for block in _BLOCK.finditer(text):
        language, name, content = block.groups()
        if language == "yaml" and name == "cluster":
            cluster = content
        elif language == "yaml" and name == "settings":
            settings = content
        elif language == "yaml":
            form, manifest = name, _LETTERS.sub(lambda found: "x" * int(found[1]), content)
        else:
            number += 1
            section = [title for start, title in headings if start < block.start()][-1]
            span = block.start(3), block.end(3)
            yield Example(page, number, section, cluster, settings, form, manifest, name, content, *span)


def with_texts(page: str, texts: list[tuple[Example, str]]) -> str:
    """Return the page with what was said in place of the expected texts."""
    for example, said in sorted(texts, key=lambda pair: -pair[0].start):
        page = page[: example.start] + said + page[example.end :]
    return page

"""deploy/Dockerfile as its instructions, stage by stage."""

from dataclasses import dataclass
from pathlib import Path

from tests.support.deployment import DEPLOY

DOCKERFILE = DEPLOY / "Dockerfile"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its word, `COPY`, and all that follows it."""

    word: str
    rest: str


def stages() -> list[list[Instruction]]:
    """Return what stands before the first FROM, then each stage, its FROM first."""
    found: list[list[Instruction]] = [[]]
    for line in DOCKERFILE.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append([])
        found[-1].append(Instruction(word, rest))
    return found


def of_word(stage: list[Instruction], word: str) -> list[str]:
    """Return what follows a word, each time it stands in a stage."""
    return [each.rest for each in stage if each.word == word]


def is_sent(path: str, dockerignore: Path = DEPLOY.parent / ".dockerignore") -> bool:
    """Return whether .dockerignore, which excludes all that it does not name, lets a path into the build."""
    named = {line.removeprefix("!") for line in dockerignore.read_text().splitlines() if line.startswith("!")}
    parts = Path(path).parts
    return any("/".join(parts[: length + 1]) in named for length in range(len(parts)))

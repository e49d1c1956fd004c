"""One target under atheris, in a process of its own.

python -m tests.fuzz.target NAME [options of libFuzzer] [corpus folders, or files to be tried once]
"""

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from random import Random

import atheris

_REPOSITORY = Path(__file__).resolve().parents[2]
_FOLLOWED_ELSEWHERE: Mapping[str, str] = dict.fromkeys(("reviews", "manifests"), "webhook/cel")
"""What has a target of its own: there its coverage is followed, which takes half of the speed."""
_LEFT_TO_LIBFUZZER = 0.2
"""The part of the changes that know nothing of the input's language."""


def main() -> None:
    """Run until libFuzzer ends the process."""
    name, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["webhook"], exclude=_modules(_FOLLOWED_ELSEWHERE.get(name))):
        target = importlib.import_module("tests.fuzz.targets").TARGETS[name]

    def changed(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < _LEFT_TO_LIBFUZZER:
            return bytes(atheris.Mutate(data, most))
        return bytes(target.changed(data, random)[:most])

    with target.law() as law:
        atheris.Setup([sys.argv[0], *options], law, custom_mutator=changed)
        atheris.Fuzz()


def _modules(folder: str | None) -> list[str]:
    files = () if folder is None else (_REPOSITORY / folder).rglob("*.py")
    return [".".join(file.relative_to(_REPOSITORY).with_suffix("").parts) for file in files]


if __name__ == "__main__":
    main()

"""One target under atheris, in a process of its own.

python -m tests.fuzz.target NAME [options of libFuzzer] [corpus folders, or files to be tried once]
"""

import importlib
import sys
from random import Random

import atheris

_LEFT_TO_LIBFUZZER = 0.2
"""The part of the changes that know nothing of the input's language."""


def main() -> None:
    """Run until libFuzzer ends the process."""
    name, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["webhook"]):
        target = importlib.import_module("tests.fuzz.targets").TARGETS[name]

    def changed(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < _LEFT_TO_LIBFUZZER:
            return bytes(atheris.Mutate(data, most))
        return bytes(target.changed(data, random)[:most])

    with target.law() as law:
        atheris.Setup([sys.argv[0], *options], law, custom_mutator=changed)
        atheris.Fuzz()


if __name__ == "__main__":
    main()

"""Random selectors: directed by the declared types, by the grammar, and mutated from real ones."""

import json
import re
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from random import Random

from tests.conformance.coverage import Coverage
from tests.conformance.grammar import Grammar
from tests.conformance.samples import LARGEST, REALISTIC, REFUSED
from tests.conformance.typed import Typed
from webhook.cel.environment import Environment
from webhook.cel.types import BOOL, INT, STRING

_DIRECTED = 0.7  # of the expressions bring what has come least often
_CANDIDATES = 60  # of which the rarest is brought: what cannot be had does not take all the turns
_LARGE = 0.0005
_WORDS = ("x", "1h", "a b", "1.2.3", "nosuch", "dns1123Label", "é", "1x")
_CHARACTERS = (
    "",
    "",
    "(",
    ")",
    "'",
    "]",
    ".",
    "&",
    "=",
    " in ",
    "1u",
    "?",
    "!",
    "\\",
    "é",
    "for",
    "\n",
    "\x00",
    ",",
    "{",
)
_TOKEN = re.compile(r"\s+|\w+|'[^']*'|\"[^\"]*\"|[<>=!]=|&&|\|\||.", re.DOTALL)


class Generator:
    """Selectors for one environment. What `coverage`, if somebody counts in one, has seen least often comes first."""

    def __init__(self, environment: Environment, random: Random, coverage: Coverage | None = None) -> None:
        self._random = random
        self._coverage = coverage or Coverage(environment)
        self._grammar = Grammar(random)
        self._typed = Typed(environment, random)
        self._targets: dict[str, list[Callable[[], str]]] = {}
        for one in self._typed.declared:
            makers = self._targets.setdefault(f"overload {one.overload.id}", [])
            makers.append(partial(self._typed.condition, one, 2))
        for name, count, _ in environment.macros:
            self._targets[f"macro {name}/{count}"] = [partial(self._typed.with_macro, name, count)]
        for name, templates in REFUSED.items():
            self._targets[name] = [partial(self._filled, template) for template in templates]
        self._names = sorted(self._targets)

    def expression(self) -> str:
        """Return the next selector."""
        draw = self._random.random()
        if draw < _DIRECTED:
            return self._directed()
        if draw > 1 - _LARGE:
            return self._filled(self._random.choice(LARGEST))
        ways = (self._by_types, self._mutated, self._by_grammar, self._joined)
        [way] = self._random.choices(ways, (3, 3, 2, 1))
        return way()

    def _directed(self) -> str:
        name = min(self._random.sample(self._names, _CANDIDATES), key=lambda one: self._coverage.seen[one])
        return self._random.choice(self._targets[name])()

    def _by_types(self) -> str:
        return self._typed.of(BOOL, self._random.randint(2, 4))

    def _by_grammar(self) -> str:
        return self._grammar.expression(self._random.randint(1, 4))

    def _joined(self) -> str:
        return f"{self._directed()} {self._random.choice(('&&', '||', '==', '!='))} {self._by_types()}"

    def _filled(self, template: str) -> str:
        def slot(match: re.Match[str]) -> str:
            return _BRACES.get(match[0]) or self._slot(match[0])

        return re.sub(r"\{\{|\}\}|\{[a-z]+\}", slot, template)

    def _slot(self, name: str) -> str:
        match name:
            case "{bool}":
                return self._typed.of(BOOL, 1)
            case "{int}":
                return self._typed.of(INT, 0)
            case "{string}":
                return self._typed.of(STRING, 0)
            case "{word}":
                return self._random.choice(_WORDS)
            case "{letter}":
                return self._random.choice("sdfexXobqq%")
            case "{digit}":
                return str(self._random.randint(0, 9))
            case _:
                return self._typed.any(1)

    def _mutated(self) -> str:
        """A real selector in which a few tokens or characters are something else."""
        source = self._random.random()
        text = self._random.choice(real_selectors()) if source < 0.8 else self._directed()
        change = self._with_other_tokens if self._random.random() < 0.6 else self._with_other_characters
        return change(text)

    def _with_other_tokens(self, text: str) -> str:
        tokens = _TOKEN.findall(text)
        others = _TOKEN.findall(self._random.choice(real_selectors()))
        for _ in range(self._random.randint(1, 3)):
            if not tokens:
                break
            at, to = self._random.randrange(len(tokens)), self._random.randrange(len(tokens))
            match self._random.randrange(4):
                case 0:
                    del tokens[at]
                case 1:
                    tokens.insert(to, tokens[at])
                case 2:
                    tokens[at], tokens[to] = tokens[to], tokens[at]
                case _:
                    tokens[at] = self._random.choice(others)
        return "".join(tokens)

    def _with_other_characters(self, text: str) -> str:
        for _ in range(self._random.randint(1, 2)):
            at = self._random.randrange(len(text) + 1)
            cut = self._random.choice((0, 1, 1, 3))
            text = text[:at] + self._random.choice(_CHARACTERS) + text[at + cut :]
        return text


_BRACES = {"{{": "{", "}}": "}"}


@cache
def real_selectors() -> tuple[str, ...]:
    """Return selectors as users write them, those that are recorded among them."""
    rows = Path(__file__).with_name("compile.jsonl").read_text(encoding="utf-8").split("\n")
    recorded = [json.loads(row)["expr"] for row in rows if row]
    return (*REALISTIC * 20, *(expression for expression in recorded if 0 < len(expression) < 300))

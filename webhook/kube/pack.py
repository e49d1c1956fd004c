"""ClaimPolicies by what a person calls them: shipped ones by name, files and folders."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from webhook.core.errors import SettingsError
from webhook.core.policies import KIND, ClaimPolicy
from webhook.core.policies_parse import parse_policy
from webhook.core.raw import RawObject
from webhook.kube.inputs import STDIN, Source, inputs_of, read_sources
from webhook.kube.kinds import OWN_GROUP
from webhook.kube.manifests import Document, Problem, read_documents
from webhook.settings import POLICIES, did_you_mean

PACK = POLICIES / "pack"


def shipped_policies() -> Mapping[str, Path]:
    """Return the folder of each shipped policy by its name: policy.yaml, README.md and the suite that tests it."""
    return {file.parent.name: file.parent for file in sorted(PACK.glob("*/policy.yaml"))}


@dataclass(frozen=True, slots=True)
class Shipped:
    """A shipped policy: its manifest as it is written and as it reads, and its page."""

    name: str
    text: str
    raw: RawObject
    page: str

    @property
    def says(self) -> str:
        """What it is for: the first paragraph of its page."""
        return self.page.split("\n\n")[1].replace("\n", " ")


def shipped(names: Iterable[str]) -> tuple[Shipped, ...]:
    """Return shipped policies by their names; SettingsError where there is no such policy."""
    folders = shipped_policies()
    listed = tuple(names)
    unknown = tuple(f"there is no shipped policy '{n}'{did_you_mean(n, folders)}" for n in listed if n not in folders)
    if unknown:
        raise SettingsError(unknown)
    return tuple(_shipped(name, folders[name]) for name in listed)


def _shipped(name: str, folder: Path) -> Shipped:
    file = folder / "policy.yaml"
    (document,), _ = read_documents(str(file), file.read_bytes())
    return Shipped(name, file.read_text(), document.raw, (folder / "README.md").read_text())


def named_policies(words: Iterable[str]) -> tuple[tuple[ClaimPolicy, ...], tuple[Problem, ...]]:
    """Return the policies of files, folders, `-` and shipped names, and what is broken in the files.

    SettingsError where a word is none of these, or leads to no policy.
    """
    folders = shipped_policies()
    found: list[ClaimPolicy] = []
    broken: list[Problem] = []
    wrong: list[str] = []
    for word in words:
        if word == STDIN or Path(word).exists():
            policies, problems = _read(read_sources([word]))
        elif word in folders:
            policies, problems = _read([(word, (folders[word] / "policy.yaml").read_bytes())])
        else:
            wrong.append(f"'{word}' is neither a file nor a shipped policy{did_you_mean(word, folders)}")
            continue
        if not policies and not problems:
            wrong.append(f"'{word}' holds no {KIND}")
        found += policies
        broken += problems
    if wrong:
        raise SettingsError(tuple(wrong))
    return tuple(found), tuple(broken)


def _read(sources: Iterable[Source]) -> tuple[list[ClaimPolicy], list[Problem]]:
    entries = tuple(inputs_of(sources))
    policies = [
        parse_policy(entry.raw)
        for entry in entries
        if isinstance(entry, Document)
        and entry.raw.get("kind") == KIND
        and str(entry.raw.get("apiVersion")).startswith(f"{OWN_GROUP}/")
    ]
    return policies, [entry for entry in entries if isinstance(entry, Problem)]

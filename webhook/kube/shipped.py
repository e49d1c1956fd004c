"""What Drawbridge ships as data: LegacyMappings (and those of files), and the driver catalogue."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import yaml

from webhook.core.catalogue import DriverPack
from webhook.core.catalogue_parse import parse_pack
from webhook.core.errors import SettingsError
from webhook.core.mappings import KIND, LegacyMapping, parse_mapping
from webhook.core.raw import RawObject
from webhook.kube.manifests import read_documents
from webhook.settings import POLICIES

MAPPINGS = POLICIES / "mappings"
DRIVERS = POLICIES / "drivers"
DEFAULT_MAPPING = "nvidia"
DEFAULT_MAPPINGS = ("amd", "intel", DEFAULT_MAPPING, "tpu")
"""What `migrate` rewrites by where nothing else is said: all that is shipped and serves names of its own."""
_SAFE: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_mapping(name: str) -> LegacyMapping:
    """Return a shipped mapping by its name, or that of a file; SettingsError where there is none, or a broken one."""
    return parse_mapping(mapping_manifest(name))


def shipped_names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in MAPPINGS.glob("*.yaml")))


def mapping_manifest(name: str) -> RawObject:
    """Return the LegacyMapping of `load_mapping` as it is written."""
    shipped = {path.stem: path for path in MAPPINGS.glob("*.yaml")}
    path = shipped.get(name, Path(name))
    try:
        documents, problems = read_documents(str(path), path.read_bytes())
    except OSError as error:
        listed = ", ".join(sorted(shipped))
        raise SettingsError((f"--mapping: '{name}' cannot be read; shipped are {listed}",)) from error
    manifests = [document.raw for document in documents if document.raw.get("kind") == KIND]
    if problems or len(manifests) != 1:
        raise SettingsError((f"--mapping: '{path}' must hold one LegacyMapping",))
    misfits = parse_mapping(manifests[0]).misfits
    if misfits:
        raise SettingsError(tuple(f"--mapping: {path}: {m.path}: {m.message}" for m in misfits))
    return manifests[0]


class Catalogue(Mapping[str, DriverPack]):
    """The shipped packs by driver, or by domain where no driver has its name; each file is read when it is asked for.

    A file's name is its pack's key.
    """

    def __init__(self, folder: Path) -> None:
        self._files = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
        self._read: dict[str, DriverPack] = {}

    def __getitem__(self, key: str) -> DriverPack:
        found = self._read.get(key)
        if found is None:
            found = self._read[key] = read_pack(self._files[key])
        return found

    def __contains__(self, key: object) -> bool:
        return key in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def read_pack(path: Path) -> DriverPack:
    """Return the pack of a file; BrokenPackError where it does not have the form."""
    return parse_pack(yaml.load(path.read_bytes(), _SAFE))  # noqa: S506  # both are safe loaders


@cache
def shipped_catalogue() -> Catalogue:
    """Return the catalogue that Drawbridge ships; one for the process, for caches go by identity."""
    return Catalogue(DRIVERS)

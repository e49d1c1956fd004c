"""The LegacyMappings that Drawbridge ships, and those of files."""

from pathlib import Path

from webhook.core.errors import SettingsError
from webhook.core.mappings import KIND, LegacyMapping, parse_mapping
from webhook.kube.manifests import read_documents

MAPPINGS = Path(__file__).parents[2] / "policies" / "mappings"
DEFAULT_MAPPING = "nvidia"


def load_mapping(name: str) -> LegacyMapping:
    """Return a shipped mapping by its name, or that of a file; SettingsError where there is none, or a broken one."""
    shipped = {path.stem: path for path in MAPPINGS.glob("*.yaml")}
    path = shipped.get(name, Path(name))
    try:
        documents, problems = read_documents(str(path), path.read_bytes())
    except OSError as error:
        listed = ", ".join(sorted(shipped))
        raise SettingsError((f"--mapping: '{name}' cannot be read; shipped are {listed}",)) from error
    mappings = [parse_mapping(document.raw) for document in documents if document.raw.get("kind") == KIND]
    if problems or len(mappings) != 1:
        raise SettingsError((f"--mapping: '{path}' must hold one LegacyMapping",))
    if mappings[0].misfits:
        raise SettingsError(tuple(f"--mapping: {path}: {m.path}: {m.message}" for m in mappings[0].misfits))
    return mappings[0]

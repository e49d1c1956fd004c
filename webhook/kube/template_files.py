"""Generated templates as files, for the standalone server (`--write-templates`)."""

import secrets
from collections.abc import Iterable
from pathlib import Path

from webhook.core.errors import SettingsError
from webhook.kube.yaml_edit import dump
from webhook.rewrite.templates import Template


class TemplateFiles:
    """Writes each template once, as `NAMESPACE.NAME.yaml`: the name is a hash of the content, so no file changes."""

    are_made = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError((f"--write-templates '{folder}': {error.strerror}",)) from error

    def keep(self, namespace: str, templates: Iterable[Template]) -> None:
        """Write the templates of a namespace that are not there yet; OSError where that fails."""
        for template in templates:
            file = self._folder / f"{namespace}.{template.name}.yaml"
            if not file.exists():
                draft = file.with_suffix(f".{secrets.token_hex(4)}.tmp")
                draft.write_text(dump(template.manifest(namespace)))
                draft.replace(file)

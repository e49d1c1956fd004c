"""Follows a folder of manifests: a new view for each change that has settled."""

import asyncio
from collections.abc import Callable

from webhook.kube.folder import Folder, Reading


async def watch_folder(folder: Folder, publish: Callable[[Reading], None], *, interval_seconds: float = 0.5) -> None:
    """Publish a reading for each change until cancelled; a change is seen within two intervals."""
    while True:
        await asyncio.sleep(interval_seconds)
        reading = await asyncio.to_thread(folder.changed)
        if reading is not None:
            publish(reading)

"""Long work in short turns: a controller that counts still renews its lease, and a server still answers."""

import asyncio
from collections.abc import AsyncIterator, Iterable, MutableMapping, Sequence
from itertools import islice
from typing import Any, TypeVar

T = TypeVar("T")

_MOST = 1_000


async def in_batches(items: Iterable[T]) -> AsyncIterator[Sequence[T]]:
    """Yield the items, so many at a time as take a few milliseconds to go through; others run in between."""
    left = iter(items)
    while batch := tuple(islice(left, _MOST)):
        yield batch
        del batch
        await asyncio.sleep(0)


async def emptied(objects: MutableMapping[Any, object]) -> None:
    """Let objects go that nobody needs any more; to free tens of thousands at once takes long, too."""
    while objects:
        for _ in range(min(_MOST, len(objects))):
            objects.popitem()
        await asyncio.sleep(0)

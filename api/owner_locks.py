"""One thing at a time for each owner, within this process."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary


class OwnerLocks:
    """Locks that live for as long as somebody holds or awaits them."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, owner_id: str) -> asyncio.Lock:
        lock = self._locks.get(owner_id)
        if lock is None:
            lock = self._locks[owner_id] = asyncio.Lock()
        return lock

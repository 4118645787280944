"""All the sockets of this process."""

from __future__ import annotations

import asyncio

import structlog

from contracts.session import Device
from whatsapp.library import Simulator, load
from whatsapp.live_session import NeonizeSession
from whatsapp.workshop import START_PATIENCE, HostCounters, Workshop

_log = structlog.stdlib.get_logger("whatsapp.hosting")

CHECK_INTERVAL = 20.0
"""Seconds between looks at every session that believes to be logged in."""


class HostingRefused(Exception):
    """A session cannot be opened here: the host is full or closing, or the key is in use."""


class NeonizeHost:
    """`contracts.ports.WhatsAppHost`. Make it on the event loop that will use it.

    `device_database_url` is a `postgres://` URL in the form of Go's lib/pq: `postgres://role:password@/database?host=
    /folder/of/the/socket` for a unix socket; over TCP it needs its own `sslmode` (`require` is lib/pq's default).
    `capacity` is the most sessions at once.
    """

    def __init__(
        self,
        device_database_url: str,
        capacity: int,
        *,
        simulator: Simulator | None = None,
        start_patience: float = START_PATIENCE,
    ) -> None:
        if not device_database_url.startswith("postgres://"):
            raise ValueError("the key store's URL must begin with postgres://")
        self._workshop = Workshop(load(simulator), device_database_url, capacity, start_patience)
        self._capacity = capacity
        self._simulator = simulator
        self._sessions: dict[str, NeonizeSession] = {}
        self._closing = False
        self._watch: asyncio.Task[None] | None = None

    @property
    def counters(self) -> HostCounters:
        """Sums over all sessions."""
        return self._workshop.counters

    @property
    def workshop(self) -> Workshop:
        """The shared parts, for metrics: `gate.counters`, `switchboard.counters`."""
        return self._workshop

    async def open(self, session_key: str, device: Device, proxy: str | None) -> NeonizeSession:
        """See `contracts.ports.WhatsAppHost.open`. The device's keys MUST be in the key store: the library aborts the
        process for a device without a row. Raises HostingRefused, and ValueError for a device whose JID is none.
        """
        if self._closing:
            raise HostingRefused("this host is closing")
        if session_key in self._sessions:
            raise HostingRefused(f"session {session_key} is open already")
        if len(self._sessions) >= self._capacity:
            raise HostingRefused(f"this host holds {self._capacity} sessions already")
        used = self._simulator.proxy if self._simulator is not None else proxy
        session = NeonizeSession(self._workshop, session_key, device, used, self._forget)
        self._sessions[session_key] = session
        if self._watch is None:
            self._watch = asyncio.create_task(self._check_for_ever(), name="whatsapp checks")
        try:
            await session.open()
        except Exception:
            await session.stop()
            raise
        return session

    async def close(self) -> None:
        """See `contracts.ports.WhatsAppHost.close`. Idempotent; nothing can be opened afterwards."""
        self._closing = True
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        stopped = await asyncio.gather(
            *(session.stop() for session in list(self._sessions.values())), return_exceptions=True
        )
        for failure in stopped:
            if isinstance(failure, BaseException):
                _log.error("session not stopped", error=repr(failure))
        self._workshop.close()

    def _forget(self, session_key: str) -> None:
        self._sessions.pop(session_key, None)

    async def _check_for_ever(self) -> None:
        while True:
            await asyncio.sleep(CHECK_INTERVAL)
            for session in list(self._sessions.values()):
                try:
                    await session.check()
                except Exception as error:  # noqa: BLE001 - the next look must still be taken
                    _log.error("session could not be checked", error=repr(error))

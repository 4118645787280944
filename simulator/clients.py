"""Who is logged in, and the figures of every device's connections."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from simulator.jid import Jid
from simulator.registry import Device

if TYPE_CHECKING:
    from simulator.client import Client


@dataclass
class Figures:
    """A device's connections since the simulator was started."""

    attempts: int = 0
    connects: int = 0
    replaced: int = 0
    sockets_open: int = 0
    most_sockets_open: int = 0
    last_connect: datetime | None = None
    last_disconnect: datetime | None = None


class Clients:
    """The live client of each device, and the `Figures` of all."""

    def __init__(self) -> None:
        self._live: dict[Jid, Client] = {}
        self._figures: dict[Jid, Figures] = {}
        self.totals: Counter[str] = Counter()

    def attempted(self, device: Device) -> None:
        self.figures(device).attempts += 1
        self.totals["loginAttempts"] += 1

    def entered(self, client: Client) -> Client | None:
        """A client logged in. The live client of the same device before it, which is to be replaced."""
        figures = self.figures(client.device)
        before = self._live.get(client.device.jid)
        if before is not None:
            # From this moment the server itself is ending the older one: it does not count as a second socket.
            self._closed(before)
            figures.replaced += 1
        self._live[client.device.jid] = client
        figures.connects += 1
        figures.sockets_open += 1
        figures.most_sockets_open = max(figures.most_sockets_open, figures.sockets_open)
        figures.last_connect = datetime.now(UTC)
        self.totals["logins"] += 1
        return before

    def left(self, client: Client) -> None:
        """A client's connection ended, or is being ended by the server."""
        if self._live.get(client.device.jid) is client:
            del self._live[client.device.jid]
            self._closed(client)

    def _closed(self, client: Client) -> None:
        figures = self.figures(client.device)
        figures.sockets_open -= 1
        figures.last_disconnect = datetime.now(UTC)

    def of(self, device: Device) -> Client | None:
        """The live client of a device."""
        return self._live.get(device.jid)

    def all(self) -> list[Client]:
        return list(self._live.values())

    def figures(self, device: Device) -> Figures:
        return self._figures.setdefault(device.jid, Figures())

    def forget(self, device: Device) -> None:
        """A device was unlinked: another one may get its number."""
        self._figures.pop(device.jid, None)

    def describe(self, device: Device) -> dict[str, Any]:
        """A device as the control API shows it; times are ISO-8601, UTC."""
        figures = self.figures(device)
        return {
            "jid": str(device.jid),
            "phone": device.phone,
            "lid": str(device.lid_jid),
            "platform": device.platform,
            "linkedAt": _iso(datetime.fromtimestamp(device.linked_at, UTC)),
            "connected": device.jid in self._live,
            "attempts": figures.attempts,
            "connects": figures.connects,
            "replaced": figures.replaced,
            "socketsOpen": figures.sockets_open,
            "mostSocketsOpen": figures.most_sockets_open,
            "lastConnect": _iso(figures.last_connect),
            "lastDisconnect": _iso(figures.last_disconnect),
        }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""Addresses of WhatsApp: a user, a device of a user, a group, or the server itself."""

from __future__ import annotations

from typing import NamedTuple

PERSON = "s.whatsapp.net"
HIDDEN = "lid"
GROUP = "g.us"
BROADCAST = "broadcast"
LEGACY = "c.us"
_DOMAINS = {PERSON: 0, HIDDEN: 1, "hosted": 128, "hosted.lid": 129}
_SERVERS = {domain: server for server, domain in _DOMAINS.items()}


class Jid(NamedTuple):
    """`user:device@server`; device 0 is the phone itself or no device in particular. The server alone has no user."""

    user: str
    server: str
    device: int = 0

    @classmethod
    def parse(cls, text: str) -> Jid:
        """Read `user@server`, `user:device@server`, `user.agent:device@server` or a bare server. Raises ValueError."""
        user, at, server = text.rpartition("@")
        if not at:
            return cls("", server)
        user, _, device = user.partition(":")
        return cls(user.partition(".")[0], server, int(device or 0))

    def __str__(self) -> str:
        if self.device:
            return f"{self.user}:{self.device}@{self.server}"
        return f"{self.user}@{self.server}" if self.user else self.server

    @property
    def bare(self) -> Jid:
        """The user without a device."""
        return Jid(self.user, self.server) if self.device else self

    @property
    def domain(self) -> int | None:
        """Number of the server in an AD-JID (whatsmeow types/jid.go), or None if it has no devices."""
        return _DOMAINS.get(self.server)

    @property
    def hash_form(self) -> str:
        """`user.0:device@server`, as participant hashes take it (whatsmeow types/jid.go, ADString)."""
        return f"{self.user}.0:{self.device}@{self.server}"


def server_of(domain: int) -> str:
    """Server of an AD-JID's domain number."""
    return _SERVERS.get(domain, PERSON)


SERVER = Jid("", PERSON)
GROUPS = Jid("", GROUP)

"""Identifiers and the names derived from them: connections, workflows, task queues, hosts, phones and JIDs."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass

DEFAULT_OWNER_ID = "00000000-0000-4000-8000-000000000001"
"""The owner of requests that name none, in `local` auth mode."""

WORKFLOW_QUEUE = "perene-workflows"
HOSTING_QUEUE = "perene-hosting"
PAIRING_QUEUE = "perene-pairing"
DATABASE_QUEUE = "perene-database"

_CONNECTION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,199}")
_USER_JID = re.compile(r"(?P<user>[0-9A-Za-z._+-]+?)(?:\.(?P<agent>\d+))?(?::(?P<device>\d+))?@(?P<server>[a-z.]+)")


def new_connection_id() -> str:
    """`connection_<unix ms>_<random>`, the form the frontends know."""
    return f"connection_{time.time_ns() // 1_000_000}_{secrets.token_hex(4)}"


def is_connection_id(text: str) -> bool:
    """Whether `text` may name a connection: 1–200 of `A-Z a-z 0-9 . _ : @ -`, beginning with a letter or digit."""
    return _CONNECTION_ID.fullmatch(text) is not None


def session_workflow_id(connection_id: str) -> str:
    """The id of the one SessionWorkflow of a connection."""
    return f"session/{connection_id}"


def new_host_id(process_name: str) -> str:
    """A host id that no other process, earlier or later, has: `<process name>-<random>`."""
    return f"{process_name}-{secrets.token_hex(4)}"


def host_queue(host_id: str) -> str:
    """The task queue on which the process `host_id` takes commands for the sockets it holds."""
    return f"host-{host_id}"


@dataclass(frozen=True, slots=True)
class Jid:
    """A WhatsApp address `user[:device]@server`, as in whatsmeow's `types/jid.go`."""

    user: str
    server: str
    device: int = 0

    @classmethod
    def parse(cls, text: str) -> Jid:
        """Read `user[.agent][:device]@server`. Raises ValueError for anything else."""
        match = _USER_JID.fullmatch(text)
        if match is None:
            raise ValueError(f"not a JID: {text!r}")
        return cls(match["user"], match["server"], int(match["device"] or 0))

    @property
    def bare(self) -> str:
        """The address of the account, without its device part."""
        return f"{self.user}@{self.server}"

    def __str__(self) -> str:
        return f"{self.user}:{self.device}@{self.server}" if self.device else self.bare

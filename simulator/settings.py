"""What can be set when the simulator is started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """All durations are in seconds."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 0
    qr_first_seconds: float = 60
    """How long a client shows the first QR of a pairing (whatsmeow qrchan.go)."""
    qr_next_seconds: float = 20
    """How long it shows each further one."""
    qr_grace_seconds: float = 2
    """How much longer the server accepts each: a scan may be on its way as the client moves on."""
    phones_on_demand: bool = True
    """Whether somebody who is written to gets a phone that receives: a real client in the companion process."""
    sign_seconds: float = 10
    """How long a client may take to sign after a scan."""
    replace_grace_seconds: float = 5
    """How long a replaced connection may take to close before it is cut."""

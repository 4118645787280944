"""What the `perene` command prints: short lines for people, and where asked JSON for programs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from entrypoints.stack_state import Addresses


def say(text: str = "") -> None:
    """One line on standard output, seen at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """One line on standard error."""
    sys.stderr.write(f"perene: {text}\n")
    sys.stderr.flush()


def say_json(document: Any) -> None:
    say(json.dumps(document, indent=2))


class TeeSay:
    """Prints lines and keeps them in the supervisor's log, so that `perene logs` has them either way."""

    def __init__(self, log_file: Path) -> None:
        self._log_file = log_file

    def __call__(self, text: str) -> None:
        say(text)
        with self._log_file.open("a", encoding="utf-8") as handle:
            handle.write(f"{text}\n")


def address_lines(addresses: Addresses) -> list[str]:
    """The addresses as the last lines of `perene up` show them."""
    lines = [
        f"  API             {addresses.api}/api/baileys-simple",
        f"  Temporal Web UI {addresses.temporal_ui}",
        f"  Temporal        {addresses.temporal}",
    ]
    if addresses.simulator is not None:
        lines.append(f"  Simulated phone {addresses.simulator}")
    return lines

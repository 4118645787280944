"""Passwords of the embedded database's roles, made up on the first start and kept beside the data."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import cast

from entrypoints.settings import ROLES

SUPERUSER = "postgres"


def load_or_create(file: Path) -> dict[str, str]:
    """Read the passwords (role → password), first making those that are missing. The file is mode 0600."""
    passwords = cast(dict[str, str], json.loads(file.read_text())) if file.exists() else {}
    missing = [role for role in (SUPERUSER, *ROLES) if role not in passwords]
    if missing:
        passwords |= {role: secrets.token_urlsafe(24) for role in missing}
        fresh = file.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            json.dump(passwords, handle, indent=2)
            handle.flush()
            os.fsync(handle.fileno())
        fresh.replace(file)
    return passwords

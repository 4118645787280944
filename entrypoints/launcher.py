"""Exec wrapper: become a command that cannot outlive the process that asked for it.

Run as `python -I -S launcher.py PARENT_PID DEATH_SIGNAL UID:GID|- COMMAND …`. It stands alone (standard library only,
no package import) because it runs once for each child. A fork hook in the supervisor would run Python between fork and
exec, which is not safe beside threads; here that code runs after exec, in a process of its own.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(arguments: list[str]) -> None:
    """Drop to UID:GID where asked, tie this process's life to the parent's, then exec the command."""
    parent, death_signal, owner, *command = arguments
    if owner != "-":
        uid, gid = (int(part) for part in owner.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # Changing the user clears the death signal, so it is set last (prctl(2)).
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    # The parent may have gone before the line above took hold.
    if os.getppid() != int(parent):
        sys.exit("the supervisor is gone")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])

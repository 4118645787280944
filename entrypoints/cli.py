"""The `perene` command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version

from entrypoints.console import complain
from entrypoints.settings import SettingsError, data_dir, stack_settings

USAGE_ERROR = 2

_DESCRIPTION = "Perene keeps WhatsApp sessions alive: `perene up` starts everything on this machine."
_EPILOG = """\
Settings come from the environment:
  PERENE_DATA_DIR           folder of the local stack (.perene)
  PERENE_API_PORT           3000        PERENE_TEMPORAL_PORT      7233
  PERENE_TEMPORAL_UI_PORT   8233        PERENE_SIMULATOR_PORT     4000
  PERENE_WORKERS            worker processes (1)
  PERENE_SESSIONS_PER_WORKER, PERENE_PAIRING_WINDOW_SECONDS, PERENE_MAX_CONNECTIONS, PERENE_AUTH_MODE, PERENE_LOG_FORMAT
Port 0 takes any free one; `perene status` then tells which. Two stacks run side by side with other ports and folders.
"""

Run = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code."""
    options = _parser().parse_args(arguments)
    run: Run = options.run
    try:
        return run(options)
    except SettingsError as problem:
        complain(str(problem))
        return USAGE_ERROR
    except BrokenPipeError:  # `perene logs | head`
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="perene",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"perene {version('perene')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, run: Run, summary: str, more: str = "") -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}. {more}".strip())
        sub.set_defaults(run=run)
        return sub

    up = command(
        "up",
        _up,
        "start PostgreSQL, Temporal, the API and the workers, and supervise them",
        "Exit code 0 after a clean stop, or if a stack runs in this folder already; 1 if it did not come up.",
    )
    up.add_argument("--simulator", action="store_true", help="run on a simulated WhatsApp, with a phone to play with")
    up.add_argument(
        "--workers", type=_worker_count, metavar="N", help="worker processes (default PERENE_WORKERS, or 1)"
    )
    up.add_argument("--detach", action="store_true", help="return when all is ready and leave it in the background")
    up.add_argument("--logged", action="store_true", help=argparse.SUPPRESS)

    command("down", _down, "stop the stack of this folder", "Returns when all its processes are gone.")
    command("restart", _restart, "stop the stack and start it again as it was, in the background")

    status = command(
        "status",
        _status,
        "show the processes and addresses",
        "Exit code 0 if ready, 1 if running but not ready, 3 if not running.",
    )
    status.add_argument("--json", action="store_true", help="print a document for programs")

    logs = command("logs", _logs, "print the logs")
    logs.add_argument("name", nargs="?", help="one part: api, worker-1, postgres, temporal, simulator, supervisor, …")
    logs.add_argument("-f", "--follow", action="store_true", help="stay and print what is added")
    logs.add_argument("-n", "--lines", type=int, default=50, metavar="N", help="how many lines of each (default 50)")

    doctor = command(
        "doctor",
        _doctor,
        "check this machine and say what to do",
        "Exit code 1 if a check fails; warnings do not count.",
    )
    doctor.add_argument("--json", action="store_true", help="print a document for programs")

    demo = command("demo", _demo, "start on the simulator, run the tour, and stay up until Ctrl-C")
    demo.add_argument("--workers", type=_worker_count, metavar="N", help="worker processes")
    demo.add_argument("--no-stay", action="store_true", help="stop after the tour")
    command("tour", _tour, "run the scripted tour against the stack that runs on the simulator")

    command("api", _api, "run the API alone, by the environment", "For production; see docker-compose.yml.")
    command("worker", _worker, "run one worker alone, by the environment", "For production; see docker-compose.yml.")
    command(
        "migrate",
        _migrate,
        "bring a database to this version's schema",
        "Needs PERENE_DATABASE_ADMIN_URL (a superuser's) and PERENE_ROLE_PASSWORDS_FILE (JSON: role to password).",
    )
    return parser


def _worker_count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 64:
        raise argparse.ArgumentTypeError("give a number between 1 and 64")
    return count


# Each command imports what it needs when it runs: `perene status` must not wait for the libraries of `perene api`.


def _up(options: argparse.Namespace) -> int:
    from entrypoints.up_command import up, up_detached

    settings = stack_settings()
    if options.workers is not None:
        settings = replace(settings, workers=options.workers)
    if options.detach:
        return up_detached(settings, simulated=options.simulator)
    return up(settings, simulated=options.simulator, logged=options.logged)


def _down(_options: argparse.Namespace) -> int:
    from entrypoints.running_stack import down

    return down(data_dir())


def _restart(_options: argparse.Namespace) -> int:
    from entrypoints.running_stack import restart

    return restart(stack_settings())


def _status(options: argparse.Namespace) -> int:
    from entrypoints.running_stack import status

    return status(stack_settings(), as_json=options.json)


def _logs(options: argparse.Namespace) -> int:
    from entrypoints.running_stack import logs

    return logs(data_dir(), options.name, lines=options.lines, follow=options.follow)


def _doctor(options: argparse.Namespace) -> int:
    from entrypoints.doctor import doctor

    return doctor(stack_settings(), as_json=options.json)


def _demo(options: argparse.Namespace) -> int:
    from entrypoints.demo import demo

    settings = stack_settings()
    if options.workers is not None:
        settings = replace(settings, workers=options.workers)
    return demo(settings, stay=not options.no_stay)


def _tour(_options: argparse.Namespace) -> int:
    from entrypoints.demo import tour

    return tour()


def _api(_options: argparse.Namespace) -> int:
    from entrypoints.api import main as run

    run()
    return 0


def _worker(_options: argparse.Namespace) -> int:
    from entrypoints.worker import main as run

    run()
    return 0


def _migrate(_options: argparse.Namespace) -> int:
    from entrypoints.migrations import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())

"""`python -m simulator`: a WhatsApp server for offline runs and tests, on one port of this machine."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import resource
import signal
import sys
from pathlib import Path

import uvloop

from simulator.server import Server
from simulator.settings import Settings

_log = logging.getLogger("simulator")
_EPILOG = """
Everything is served on the one port: an HTTP proxy (CONNECT) that ends TLS for web.whatsapp.com and the media hosts,
a plain websocket at /ws/chat, the control API (GET /info tells a client all it needs) and the page of the phone at /.
Keys, linked devices and undelivered messages are kept in the data folder and survive a restart or a kill.
"""


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    defaults = Settings(Path())
    parser = argparse.ArgumentParser(
        "python -m simulator", description=__doc__, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", default=defaults.host, help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one, see the log)")
    parser.add_argument("--data-dir", type=Path, required=True, help="folder for keys, devices, messages and media")
    _add_seconds(parser, "--qr-first-seconds", defaults.qr_first_seconds, "how long the first QR can be scanned")
    _add_seconds(parser, "--qr-next-seconds", defaults.qr_next_seconds, "how long each further one can be scanned")
    _add_seconds(parser, "--qr-grace-seconds", defaults.qr_grace_seconds, "how much longer each is accepted")
    parser.add_argument(
        "--no-phones-on-demand",
        action="store_false",
        dest="phones_on_demand",
        help="do not switch on a phone (a real client, 1 MB) for each number that is written to",
    )
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    return parser.parse_args(arguments)


def _add_seconds(parser: argparse.ArgumentParser, name: str, default: float, what: str) -> None:
    parser.add_argument(name, type=float, metavar="SECONDS", default=default, help=f"{what} (default: {default})")


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    server = Server(settings)
    port = await server.start()
    _log.info("listening on http://%s:%d", settings.host, port)
    gc.freeze()
    await stop.wait()
    _log.info("stopping")
    await server.close()


def main() -> None:
    """Entry point of `python -m simulator`."""
    options = parse(sys.argv[1:])
    logging.basicConfig(
        level=options.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger("websockets").setLevel(logging.WARNING)
    _raise_file_limit()
    settings = Settings(
        data_dir=options.data_dir.absolute(),
        host=options.host,
        port=options.port,
        qr_first_seconds=options.qr_first_seconds,
        qr_next_seconds=options.qr_next_seconds,
        qr_grace_seconds=options.qr_grace_seconds,
        phones_on_demand=options.phones_on_demand,
    )
    uvloop.run(serve(settings))


def _raise_file_limit() -> None:
    """A thousand clients are a thousand open files and more."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()

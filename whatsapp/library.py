"""The Go library inside neonize: loaded once, its version checked, its exported functions declared.

The functions are called directly rather than through neonize's client, because that client pins a thread of asyncio's
default executor for each session, loses exceptions of handlers, makes a set of C callbacks for each session, and stops
clients from a finalizer at any moment, past the gate. Signatures: `goneonize/main.go` (exported functions) and
`neonize/_binder.py` of neonize 0.5.2.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from whatsapp.noise_root import replace_noise_root
from whatsapp.protobufs import package_folder

SUPPORTED_VERSION: Final = "0.5.2"
"""The only version these signatures and the facts in this folder were checked against."""

_MACHINES: Final = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_REQUIRED_ENVIRONMENT: Final = {"NEONIZE_BOT_TAG": "off"}

StringCallback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
"""(id, text): QR codes and the pairing's end."""
EventCallback = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int)
"""(id, protobuf, its length, event number)."""
LogCallback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int)
"""(protobuf LogEntry, its length)."""


class LibraryUnusable(Exception):
    """The Go library is missing, of another version, or in a process that was not started for it."""


class ProxySettings(ctypes.Structure):
    """`struct ProxySettings` of `goneonize/header/cstruct.h`."""

    _fields_ = (
        ("address", ctypes.c_char_p),
        ("no_websocket", ctypes.c_bool),
        ("only_login", ctypes.c_bool),
        ("no_media", ctypes.c_bool),
    )


class _Bytes(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("size", ctypes.c_size_t))


@dataclass(frozen=True, slots=True)
class Simulator:
    """Where the simulated WhatsApp is: a CONNECT proxy on loopback, and the 32-byte root key of its certificates."""

    proxy: str
    noise_root: bytes


def process_environment(base: Mapping[str, str], *, ca_file: Path | None = None) -> dict[str, str]:
    """The environment to *start* a process with that will load the library; `ca_file` is a PEM file to trust.

    Go copies the environment from where the kernel put it at exec: what Python sets later in `os.environ` it never
    sees (checked with neonize 0.5.2).
    """
    environment = {**base, **_REQUIRED_ENVIRONMENT}
    if ca_file is not None:
        environment["SSL_CERT_FILE"] = str(ca_file)
    return environment


def ensure_process_environment() -> None:
    """Start this process anew (exec, same process id) if it was started without what the library needs.

    Call it first thing in an entry point, before threads and sockets exist; a launcher that uses
    `process_environment` spares the second start.
    """
    seen = environment_at_start()
    if any(seen.get(name) != value for name, value in _REQUIRED_ENVIRONMENT.items()):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], process_environment(os.environ))


def environment_at_start() -> dict[str, str]:
    """This process's environment as Go sees it: as it was at exec."""
    entries = Path("/proc/self/environ").read_bytes().split(b"\0")
    pairs = (entry.partition(b"=") for entry in entries if b"=" in entry)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def shield_stdout() -> None:
    """Send what the Go library prints (it prints to file descriptor 1) to stderr; Python's stdout keeps its target.

    Call it once, first thing in a process's entry point.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = os.fdopen(kept, "w", buffering=1, encoding="utf-8", errors="backslashreplace")


class Library:
    """The loaded library. Its methods take and give bytes; strings are UTF-8. They block and are not gated."""

    def __init__(self, handle: ctypes.CDLL, path: Path) -> None:
        self.path = path
        self._free_string: Any = handle.FreeString
        self._free_string.argtypes = (ctypes.c_void_p,)
        self._free_string.restype = None
        self._free_bytes: Any = handle.FreeBytesStruct
        self._free_bytes.argtypes = (ctypes.POINTER(_Bytes),)
        self._free_bytes.restype = None
        text, number = ctypes.c_char_p, ctypes.c_int
        self._start = self._giving_string(
            handle,
            "Neonize",
            (
                *(text, text, text, number, number, text),
                *(StringCallback, StringCallback, EventCallback, LogCallback),
                *(text, number, text, number, text, number, ctypes.POINTER(ProxySettings)),
            ),
        )
        self._stop = self._giving_nothing(handle, "Stop", (text,))
        self._disconnect = self._giving_nothing(handle, "Disconnect", (text,))
        self._is_connected = self._giving_bool(handle, "IsConnected")
        self._is_logged_in = self._giving_bool(handle, "IsLoggedIn")
        self._set_proxy = self._giving_string(handle, "SetProxyAddress", (text, ctypes.POINTER(ProxySettings)))
        self._logout = self._giving_string(handle, "Logout", (text,))
        self._mark_read = self._giving_string(
            handle, "MarkRead", (text, text, number, text, number, text, number, text)
        )
        self._send_message = self._giving_bytes(handle, "SendMessage", (text, text, number, text, number))
        self._upload = self._giving_bytes(handle, "Upload", (text, text, number, number))
        self._pair_phone = self._giving_bytes(handle, "PairPhone", (text, text, number))
        self._all_devices = self._giving_string(handle, "GetAllDevices", (text, LogCallback))

    def start(
        self,
        *,
        database: str,
        client: bytes,
        jid: bytes,
        log_level: str,
        on_qr: Any,
        on_pairing_end: Any,
        on_event: Any,
        on_log: Any,
        subscribed: bytes,
        device_props: bytes,
        proxy: ProxySettings | None,
    ) -> str:
        """Make the client `client` and run its event loop; blocks until `stop`. The error, or "" after a stop.

        `jid` is a serialised JID of a device whose keys are in the database, or b"" for a new device. Never without
        one or the other: the library would take the first device of the database, whoever's it is.
        """
        return self._start(
            database.encode(),
            client,
            jid,
            len(jid),
            int(not jid),
            log_level.encode(),
            on_qr,
            on_pairing_end,
            on_event,
            on_log,
            subscribed,
            len(subscribed),
            device_props,
            len(device_props),
            b"",
            0,
            None if proxy is None else ctypes.byref(proxy),
        )

    def stop(self, client: bytes) -> None:
        """Disconnect, forget the client and end its event loop. Harmless for an unknown one."""
        self._stop(client)

    def disconnect(self, client: bytes) -> None:
        """Close the socket and try no more. Aborts the process for an unknown client."""
        self._disconnect(client)

    def is_connected(self, client: bytes) -> bool:
        """Whether the socket is open; waits for a dial in progress. Aborts the process for an unknown client."""
        return self._is_connected(client)

    def is_logged_in(self, client: bytes) -> bool:
        """Whether the last login stands. Aborts the process for an unknown client."""
        return self._is_logged_in(client)

    def set_proxy(self, client: bytes, proxy: ProxySettings) -> str:
        """Set the proxy of the dials to come. The error, or ""."""
        return self._set_proxy(client, ctypes.byref(proxy))

    def logout(self, client: bytes) -> str:
        """Unlink at WhatsApp, disconnect, delete the keys. The error, or "". Aborts for an unknown client."""
        return self._logout(client)

    def mark_read(self, client: bytes, ids: str, at: int, chat: bytes, sender: bytes, kind: str) -> str:
        """Send receipts; `ids` are divided by spaces, `at` is unix seconds. The error, or ""."""
        return self._mark_read(client, ids.encode(), at, chat, len(chat), sender, len(sender), kind.encode())

    def send_message(self, client: bytes, to: bytes, message: bytes) -> bytes:
        """Send; waits up to 75 s for the server. A serialised SendMessageReturnFunction."""
        return self._send_message(client, to, len(to), message, len(message))

    def upload(self, client: bytes, content: bytes, media_type: int) -> bytes:
        """Upload an attachment. A serialised UploadReturnFunction."""
        return self._upload(client, content, len(content), media_type)

    def pair_phone(self, client: bytes, parameters: bytes) -> bytes:
        """Ask for a pairing code. A serialised PairPhoneReturnFunction."""
        return self._pair_phone(client, parameters, len(parameters))

    def all_devices(self, database: str, callback: Any) -> str:
        """Open the database, bring its tables up to date, list its devices. "error: …", or the list."""
        return self._all_devices(database.encode(), callback)

    def _giving_string(self, handle: ctypes.CDLL, name: str, arguments: tuple[Any, ...]) -> Any:
        function: Any = getattr(handle, name)
        function.argtypes = arguments
        function.restype = ctypes.c_void_p

        def consume(result: int | None, *_: object) -> str:
            if not result:
                return ""
            try:
                return ctypes.string_at(result).decode("utf-8", "replace")
            finally:
                self._free_string(result)

        function.errcheck = consume
        return function

    def _giving_bytes(self, handle: ctypes.CDLL, name: str, arguments: tuple[Any, ...]) -> Any:
        function: Any = getattr(handle, name)
        function.argtypes = arguments
        function.restype = ctypes.POINTER(_Bytes)

        def consume(result: Any, *_: object) -> bytes:
            if not result:
                return b""
            try:
                return ctypes.string_at(result.contents.data, result.contents.size) if result.contents.size else b""
            finally:
                self._free_bytes(result)

        function.errcheck = consume
        return function

    def _giving_nothing(self, handle: ctypes.CDLL, name: str, arguments: tuple[Any, ...]) -> Any:
        function: Any = getattr(handle, name)
        function.argtypes = arguments
        function.restype = None
        return function

    def _giving_bool(self, handle: ctypes.CDLL, name: str) -> Any:
        function: Any = getattr(handle, name)
        function.argtypes = (ctypes.c_char_p,)
        function.restype = ctypes.c_bool
        return function


_loaded: Library | None = None
_loading = threading.Lock()


def library_path() -> Path:
    """The shared library for this machine. Raises LibraryUnusable where neonize brings none."""
    machine = _MACHINES.get(platform.machine().lower())
    path = package_folder() / f"neonize-linux-{machine}.so"
    if sys.platform != "linux" or machine is None or not path.exists():
        raise LibraryUnusable(f"neonize brings no library for {sys.platform} on {platform.machine()}")
    return path


def load(simulator: Simulator | None = None) -> Library:
    """The library, loaded at the first call and pointed at the simulator if one is given.

    Nothing is ever downloaded. Raises LibraryUnusable, and NoiseRootRefused for a simulator that is not on loopback.
    """
    global _loaded
    with _loading:
        if _loaded is None:
            _loaded = _load()
        if simulator is not None:
            replace_noise_root(_loaded.path, simulator.noise_root, simulator.proxy)
        return _loaded


def _load() -> Library:
    seen = environment_at_start()
    for name, value in _REQUIRED_ENVIRONMENT.items():
        if seen.get(name, "").strip().lower() != value:
            raise LibraryUnusable(f"the process must be started with {name}={value}: Go reads it from there only")
    path = library_path()
    try:
        handle = ctypes.CDLL(str(path))
    except OSError as error:
        raise LibraryUnusable(f"{path.name} cannot be loaded: {error}") from error
    handle.GetVersion.restype = ctypes.c_char_p
    version = handle.GetVersion().decode()
    if version != SUPPORTED_VERSION:
        raise LibraryUnusable(f"{path.name} is version {version}, and only {SUPPORTED_VERSION} is supported")
    return Library(handle, path)

"""One attempt to pair, in a process of its own. Ends the process.

The process must be gone before the paired device logs in elsewhere. After a scan WhatsApp ends the stream with code
515 and whatsmeow dials again by itself, as the paired device: a message that came to that socket would be lost. It is
not prevented by being quick but by having no way: the dial before pairing uses the proxy that is set with `only_login`,
the dial after it the transport of the environment (`setTransport` in whatsmeow's client.go), and `HTTPS_PROXY` is an
address where nothing can listen (see `pairing.server_environment`).
"""

from __future__ import annotations

import ctypes
import os
import socket
import threading
import time
from typing import Any

from contracts.hosting import PairResult
from whatsapp import pairing_packets
from whatsapp.client import device_props
from whatsapp.event_codes import PAIRING, EventCode
from whatsapp.jids import full, phone_of
from whatsapp.library import EventCallback, Library, ProxySettings, Simulator, StringCallback, load
from whatsapp.log_lines import LOG_LEVEL, make_log_callback, redact
from whatsapp.protobufs import events

FIRST_LIFETIME = 60.0
NEXT_LIFETIME = 20.0
CODES = 6
"""How long whatsmeow shows each code (`emitQRs` in qrchan.go), and how many WhatsApp hands out."""
FIRST_CODE_TIMEOUT = 15.0
FAREWELL = 3.0
"""Seconds to wait for WhatsApp's answer to our signature (515) and the close after it."""

_CLIENT = b"pairing"
_ENDINGS = {
    "err-client-outdated": PairResult.CLIENT_OUTDATED,
    "err-scanned-without-multidevice": PairResult.UNSUPPORTED,
    "passkey-request": PairResult.UNSUPPORTED,
    "passkey-confirmation": PairResult.UNSUPPORTED,
    "err-unexpected-state": PairResult.REFUSED,
}


class Attempt:
    """The one client of this process. Callbacks come on threads of the library."""

    def __init__(self, worker: socket.socket, library: Library, request: pairing_packets.Packet) -> None:
        self._worker = worker
        self._library = library
        self._database = str(request["database"])
        # Kept until the process ends: the library calls back until then.
        proxy = str(request["proxy"] or "")
        self._proxy = ProxySettings(proxy.encode() or None, False, True, False)
        self._callbacks: tuple[Any, ...] = (
            StringCallback(self._on_qr),
            StringCallback(self._on_pairing_end),
            EventCallback(self._on_event),
            make_log_callback(self._on_log),
        )
        self._codes = 0
        self._scanned = False
        self._first_code = threading.Event()
        self._farewell = threading.Event()
        self._ending = threading.Lock()

    def run(self) -> None:
        """Start the client, then obey the worker until it hangs up."""
        threading.Thread(target=self._pair, daemon=True).start()
        threading.Thread(target=self._watch_first_code, daemon=True).start()
        while True:
            command, _ = pairing_packets.receive(self._worker)
            if command is None:
                os._exit(0)
            if command["kind"] == "pairing_code":
                threading.Thread(target=self._pairing_code, args=(command,), daemon=True).start()

    def _pair(self) -> None:
        on_qr, on_end, on_event, on_log = self._callbacks
        error = self._library.start(
            database=self._database,
            client=_CLIENT,
            jid=b"",
            log_level=LOG_LEVEL,
            on_qr=on_qr,
            on_pairing_end=on_end,
            on_event=on_event,
            on_log=on_log,
            subscribed=PAIRING,
            device_props=device_props(),
            proxy=self._proxy,
        )
        self._fail(PairResult.UNREACHABLE, redact(error) or "the library gave up")

    def _watch_first_code(self) -> None:
        if not self._first_code.wait(FIRST_CODE_TIMEOUT):
            self._fail(PairResult.UNREACHABLE, f"no code within {FIRST_CODE_TIMEOUT:g} s")

    def _on_qr(self, _: int | None, text: int | None) -> None:
        payload = ctypes.string_at(text).decode() if text else ""
        self._codes += 1
        lifetime = FIRST_LIFETIME if self._codes == 1 else NEXT_LIFETIME
        self._say({"kind": "qr", "payload": payload, "lifetime": lifetime, "at": time.time()})
        self._first_code.set()

    def _on_pairing_end(self, _: int | None, text: int | None) -> None:
        status = ctypes.string_at(text).decode() if text else ""
        if status == "success":
            self._scanned = True
            self._first_code.set()
        elif status == "timeout":
            if self._codes >= CODES:
                self._fail(PairResult.CODES_EXHAUSTED, None)
            self._fail(PairResult.UNREACHABLE, "the connection was lost while a code was shown")
        elif status != "error":  # an error comes again with its reason, as an event
            self._fail(_ENDINGS.get(status, PairResult.REFUSED), redact(status))

    def _on_event(self, _: bytes | None, data: int | None, size: int, code: int) -> None:
        content = ctypes.string_at(data, size) if data else b""
        if code == EventCode.DEVICE and self._scanned:
            self._paired(events.Device.FromString(content))
        elif code == EventCode.PAIR_STATUS:
            status = events.PairStatus.FromString(content)
            if status.Status == events.PairStatus.ERROR:
                self._fail(PairResult.REFUSED, redact(status.Error))

    def _on_log(self, text: str) -> bool:
        # There is no event for it; without it we would wait out the farewell.
        wanted = text.startswith("Failed to reconnect after 515 code")
        if wanted:
            self._farewell.set()
        return wanted

    def _paired(self, device: events.Device) -> None:
        # whatsmeow has saved the keys and sent the signature before it says so (`handlePair` in pair.go).
        self._ending.acquire()
        self._say(
            {
                "kind": "paired",
                "device": {
                    "jid": full(device.JID),
                    "phone": phone_of(device.JID) or device.JID.User,
                    "lid": full(device.LID) or None,
                    "push_name": device.PushName or device.BussinessName or None,
                    "platform": device.Platform or None,
                },
            }
        )
        threading.Thread(target=self._take_leave, daemon=True).start()

    def _take_leave(self) -> None:
        # A process that exits with unread bytes resets its connections, and what it sent last might go with it.
        self._farewell.wait(FAREWELL)
        os._exit(0)

    def _fail(self, result: PairResult, detail: str | None) -> None:
        if self._ending.acquire(blocking=False):
            self._say({"kind": "failed", "result": str(result), "detail": detail})
            os._exit(0)

    def _pairing_code(self, command: pairing_packets.Packet) -> None:
        answer: pairing_packets.Packet = {"kind": "pairing_code", "id": command["id"], "code": None, "error": None}
        if self._first_code.wait(FIRST_CODE_TIMEOUT):
            parameters = events.PairPhoneParams(
                phone=str(command["phone"]), showPushNotification=True, clientType=1, clientDisplayName="Chrome (Linux)"
            )
            raw = self._library.pair_phone(_CLIENT, parameters.SerializeToString())
            result = events.PairPhoneReturnFunction.FromString(raw)
            answer["code"] = result.Code.replace("-", "") or None
            answer["error"] = redact(result.Error) or None
        else:
            answer["error"] = "no connection to WhatsApp yet"
        self._say(answer)

    def _say(self, packet: pairing_packets.Packet) -> None:
        try:
            pairing_packets.send(self._worker, packet)
        except OSError:
            os._exit(0)  # nobody wants it any more


def run(worker: socket.socket, request: pairing_packets.Packet) -> None:
    """Introduce this process to the worker, then try to pair. Never returns."""
    itself = os.pidfd_open(os.getpid())
    pairing_packets.send(worker, {"kind": "born"}, itself)
    os.close(itself)
    simulator = request["simulator"]
    library = load(
        None if simulator is None else Simulator(str(simulator["proxy"]), bytes.fromhex(str(simulator["noise_root"])))
    )
    Attempt(worker, library, request).run()

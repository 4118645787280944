"""What the simulated WhatsApp remembers: its keys, phones, linked devices, their prekeys, undelivered stanzas, groups.

Everything lies in one SQLite file. Each change is committed as it is made; without waiting for the disk, so what was
registered survives a kill of this process, though not necessarily a power cut.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from simulator.curve import KeyPair
from simulator.jid import HIDDEN, PERSON, Jid
from simulator.noise import ServerKeys

_SCHEMA = """
CREATE TABLE IF NOT EXISTS key (name TEXT PRIMARY KEY, private BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS phone (
    number TEXT PRIMARY KEY, lid TEXT NOT NULL UNIQUE, account_key BLOB NOT NULL, name TEXT NOT NULL,
    last_device INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS absent (number TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS device (
    phone TEXT NOT NULL REFERENCES phone (number), number INTEGER NOT NULL, noise_key BLOB NOT NULL,
    identity_key BLOB NOT NULL, registration BLOB NOT NULL, key_id BLOB NOT NULL, key_public BLOB NOT NULL,
    key_signature BLOB NOT NULL, platform TEXT NOT NULL, signed_identity BLOB NOT NULL, linked_at REAL NOT NULL,
    PRIMARY KEY (phone, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS prekey (
    device TEXT NOT NULL, id BLOB NOT NULL, public BLOB NOT NULL, PRIMARY KEY (device, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS undelivered (
    number INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, stanza BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS undelivered_device ON undelivered (device, number);
CREATE TABLE IF NOT EXISTS chat_group (jid TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
"""
_LID_BASE, _LID_SPAN = 10**14, 9 * 10**14
LARGEST_DEVICE = 255
"""An AD-JID has one byte for the device."""


@dataclass(frozen=True, slots=True)
class SignedPrekey:
    """A signed prekey as uploaded: 3, 32 and 64 bytes."""

    id: bytes
    public: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Phone:
    """A person's phone: number (digits), LID user, the key that signs its linked devices, push name."""

    number: str
    lid: str
    account: KeyPair
    name: str


@dataclass(frozen=True, slots=True)
class Device:
    """A linked device of a phone."""

    phone: str
    lid: str
    number: int
    noise_key: bytes
    identity_key: bytes
    registration: bytes
    prekey: SignedPrekey
    platform: str
    signed_identity: bytes
    linked_at: float

    @property
    def jid(self) -> Jid:
        return Jid(self.phone, PERSON, self.number)

    @property
    def lid_jid(self) -> Jid:
        return Jid(self.lid, HIDDEN, self.number)


class Registry:
    """Reads from memory what is asked often (phones, devices); prekeys and undelivered stanzas stay in the file."""

    def __init__(self, folder: Path) -> None:
        self._database = sqlite3.connect(folder / "whatsapp.db", isolation_level=None)
        self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;" + _SCHEMA)
        self._phones: dict[str, Phone] = {}
        self._phone_of_lid: dict[str, str] = {}
        self._devices: dict[str, dict[int, Device]] = {}
        self._absent = {number for (number,) in self._database.execute("SELECT number FROM absent")}
        self._load()

    def _load(self) -> None:
        rows = self._database.execute("SELECT number, lid, account_key, name FROM phone")
        for number, lid, account_key, name in rows:
            self._remember(Phone(number, lid, KeyPair.of(account_key), name))
        columns = "phone, number, noise_key, identity_key, registration, key_id, key_public, key_signature"
        rows = self._database.execute(f"SELECT {columns}, platform, signed_identity, linked_at FROM device")  # noqa: S608  # constant
        for phone, number, noise, identity, registration, *prekey, platform, signed, linked_at in rows:
            self._devices.setdefault(phone, {})[number] = Device(
                phone, self._phones[phone].lid, number, noise, identity, registration, SignedPrekey(*prekey),
                platform, signed, linked_at,
            )  # fmt: skip

    def _remember(self, phone: Phone) -> None:
        self._phones[phone.number] = phone
        self._phone_of_lid[phone.lid] = phone.number

    def close(self) -> None:
        self._database.close()

    def server_keys(self) -> ServerKeys:
        """The server's Noise keys, made at the first start."""
        return ServerKeys(*(self._key(name) for name in ("noise-root", "noise-intermediate", "noise-static")))

    def _key(self, name: str) -> KeyPair:
        self._database.execute("INSERT OR IGNORE INTO key VALUES (?, ?)", (name, KeyPair.generate().private))
        (private,) = self._database.execute("SELECT private FROM key WHERE name = ?", (name,)).fetchone()
        return KeyPair.of(private)

    def phone(self, number: str, name: str | None = None) -> Phone:
        """The phone with a number; one not known yet is bought now. A `name` becomes its push name."""
        known = self._phones.get(number)
        if known is None:
            known = Phone(number, _lid_of(number), KeyPair.generate(), name or number)
            row = (known.number, known.lid, known.account.private, known.name)
            self._database.execute("INSERT INTO phone (number, lid, account_key, name) VALUES (?, ?, ?, ?)", row)
            self._remember(known)
        elif name and name != known.name:
            known = replace(known, name=name)
            self._database.execute("UPDATE phone SET name = ? WHERE number = ?", (name, number))
            self._remember(known)
        return known

    def number_of(self, jid: Jid) -> str | None:
        """Phone number behind a user's address; None for an LID nobody has, or an address that is no person."""
        if jid.server == HIDDEN:
            return self._phone_of_lid.get(jid.user)
        return jid.user if jid.domain is not None or jid.server == "c.us" else None

    def is_absent(self, number: str) -> bool:
        """Whether a number is not on WhatsApp: no plausible number, or said to be absent."""
        return not number.isdecimal() or number.startswith("0") or number in self._absent or len(number) < 5

    def set_absent(self, number: str, absent: bool) -> None:
        statement = "INSERT OR IGNORE INTO absent VALUES (?)" if absent else "DELETE FROM absent WHERE number = ?"
        self._database.execute(statement, (number,))
        (self._absent.add if absent else self._absent.discard)(number)

    def devices(self) -> list[Device]:
        """All linked devices."""
        return [device for devices in self._devices.values() for device in devices.values()]

    def devices_of(self, number: str) -> list[Device]:
        """Linked devices of a phone."""
        return list(self._devices.get(number, {}).values())

    def device(self, number: str, device: int) -> Device | None:
        return self._devices.get(number, {}).get(device)

    def device_at(self, jid: Jid) -> Device | None:
        """The linked device at an address, whichever of its two addresses it is."""
        number = self.number_of(jid)
        return None if number is None else self.device(number, jid.device)

    def never_linked(self, number: str) -> bool:
        """Whether a number is on WhatsApp but no device was ever linked to it."""
        if number in self._devices or self.is_absent(number):
            return False
        row = self._database.execute("SELECT last_device FROM phone WHERE number = ?", (number,)).fetchone()
        return row is None or row[0] == 0

    def next_device(self, number: str) -> int:
        """A device number for one more device of a phone: numbers are not used again until all were."""
        taken = self._devices.get(number, {})
        (last,) = self._database.execute("SELECT last_device FROM phone WHERE number = ?", (number,)).fetchone()
        following = (*range(last + 1, LARGEST_DEVICE + 1), *range(1, last + 1))
        free = next((candidate for candidate in following if candidate not in taken), None)
        if free is None:
            raise LookupError(f"phone {number} has {LARGEST_DEVICE} linked devices")
        self._database.execute("UPDATE phone SET last_device = ? WHERE number = ?", (free, number))
        return free

    def add_device(self, device: Device) -> None:
        """Register a linked device. Durable against a kill of this process when it returns."""
        prekey = (device.prekey.id, device.prekey.public, device.prekey.signature)
        row = (
            device.phone, device.number, device.noise_key, device.identity_key, device.registration, *prekey,
            device.platform, device.signed_identity, device.linked_at,
        )  # fmt: skip
        self._database.execute("INSERT INTO device VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        self._devices.setdefault(device.phone, {})[device.number] = device

    def remove_device(self, device: Device) -> None:
        """Unlink a device, with its prekeys and what waits for it."""
        self._devices.get(device.phone, {}).pop(device.number, None)
        self._database.execute("DELETE FROM device WHERE phone = ? AND number = ?", (device.phone, device.number))
        self._database.execute("DELETE FROM prekey WHERE device = ?", (str(device.jid),))
        self._database.execute("DELETE FROM undelivered WHERE device = ?", (str(device.jid),))

    def update_keys(
        self, device: Device, *, registration: bytes | None = None, prekey: SignedPrekey | None = None
    ) -> None:
        """Take over a newly uploaded registration id or signed prekey."""
        current = self._devices.get(device.phone, {}).get(device.number)
        if current is None:
            return
        current = replace(current, registration=registration or current.registration, prekey=prekey or current.prekey)
        key = current.prekey
        self._database.execute(
            "UPDATE device SET registration = ?, key_id = ?, key_public = ?, key_signature = ?"
            " WHERE phone = ? AND number = ?",
            (current.registration, key.id, key.public, key.signature, device.phone, device.number),
        )
        self._devices[device.phone][device.number] = current

    def add_prekeys(self, device: Device, prekeys: Iterable[tuple[bytes, bytes]]) -> None:
        """Store one-time prekeys: pairs of id (3 bytes) and public key (32 bytes)."""
        rows = [(str(device.jid), key_id, public) for key_id, public in prekeys]
        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR REPLACE INTO prekey VALUES (?, ?, ?)", rows)
        self._database.execute("COMMIT")

    def count_prekeys(self, device: Device) -> int:
        query = "SELECT count(*) FROM prekey WHERE device = ?"
        return self._database.execute(query, (str(device.jid),)).fetchone()[0]

    def take_prekey(self, device: Device) -> tuple[bytes, bytes] | None:
        """Hand out a one-time prekey, which is then gone; None if there is none left."""
        name = str(device.jid)
        chosen = "SELECT id, public FROM prekey WHERE device = ? ORDER BY id LIMIT 1"
        row = self._database.execute(chosen, (name,)).fetchone()
        if row is not None:
            self._database.execute("DELETE FROM prekey WHERE device = ? AND id = ?", (name, row[0]))
        return row

    def keep(self, device: Device, stanza: bytes) -> int:
        """Keep a stanza until the device acknowledged it; its number, which grows."""
        statement = "INSERT INTO undelivered (device, stanza) VALUES (?, ?)"
        number = self._database.execute(statement, (str(device.jid), stanza)).lastrowid
        return number or 0

    def undelivered(self, device: Device, after: int = 0) -> list[tuple[int, bytes]]:
        """What waits for a device, in order."""
        query = "SELECT number, stanza FROM undelivered WHERE device = ? AND number > ? ORDER BY number"
        return self._database.execute(query, (str(device.jid), after)).fetchall()

    def delivered(self, number: int) -> None:
        self._database.execute("DELETE FROM undelivered WHERE number = ?", (number,))

    def groups(self) -> list[str]:
        """Documents of all groups."""
        return [document for (document,) in self._database.execute("SELECT document FROM chat_group")]

    def save_group(self, jid: str, document: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO chat_group VALUES (?, ?)", (jid, document))

    def remove_group(self, jid: str) -> None:
        self._database.execute("DELETE FROM chat_group WHERE jid = ?", (jid,))


def _lid_of(number: str) -> str:
    """A hidden id of 15 digits for a number, always the same."""
    digest = int.from_bytes(hashlib.sha256(b"lid " + number.encode()).digest()[:8], "big")
    return str(_LID_BASE + digest % _LID_SPAN)

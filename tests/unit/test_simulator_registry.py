"""What the simulated WhatsApp remembers, and its weather."""

import time
from pathlib import Path

import pytest

from simulator.faults import EVERYONE, Faults, Kind
from simulator.jid import Jid
from simulator.registry import LARGEST_DEVICE, Device, Registry, SignedPrekey

PHONE = "5511999990001"


def device_of(registry: Registry, number: int) -> Device:
    prekey = SignedPrekey(b"\0\0\1", bytes(32), bytes(64))
    lid = registry.phone(PHONE).lid
    return Device(PHONE, lid, number, bytes(32), bytes(32), b"\0\0\0\1", prekey, "test", b"", 1.0)


def test_devices_prekeys_and_stanzas_outlive_the_process(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    keys, phone = registry.server_keys(), registry.phone(PHONE, "Ana")
    device = device_of(registry, registry.next_device(PHONE))
    registry.add_device(device)
    registry.add_prekeys(device, [(b"\0\0\1", bytes(32)), (b"\0\0\2", bytes(32))])
    first, second = registry.keep(device, b"one"), registry.keep(device, b"two")
    registry.delivered(first)

    again = Registry(tmp_path)  # the first one was never closed, as if it had been killed
    assert again.server_keys() == keys
    assert again.phone(PHONE) == phone
    assert again.devices() == [device]
    assert again.device_at(Jid(phone.lid, "lid", 1)) == again.device_at(device.jid) == device
    assert again.undelivered(device) == [(second, b"two")]
    assert again.take_prekey(device) == (b"\0\0\1", bytes(32))
    assert again.count_prekeys(device) == 1
    again.remove_device(device)
    assert (again.devices(), again.undelivered(device), again.count_prekeys(device)) == ([], [], 0)
    again.close()
    registry.close()


def test_a_device_number_is_used_again_only_when_all_were(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.phone(PHONE)
    assert registry.never_linked(PHONE)
    for number in range(1, LARGEST_DEVICE + 1):
        assert registry.next_device(PHONE) == number
    registry.add_device(device_of(registry, 1))
    assert registry.next_device(PHONE) == 2
    assert not registry.never_linked(PHONE)
    registry.close()


def test_every_plausible_number_is_on_whatsapp_unless_it_is_absent(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    assert not registry.is_absent(PHONE)
    assert registry.is_absent("0" + PHONE)
    registry.set_absent(PHONE, absent=True)
    assert Registry(tmp_path).is_absent(PHONE)
    registry.set_absent(PHONE, absent=False)
    assert not registry.is_absent(PHONE)
    registry.close()


def test_a_fault_with_a_count_is_over_after_so_many(tmp_path: Path) -> None:
    faults = Faults()
    faults.add(PHONE, Kind.DROP, occurrences=2)
    assert faults.take(Kind.DROP, "5511999990002") is None
    assert faults.take(Kind.DUPLICATE, PHONE) is None
    assert [faults.take(Kind.DROP, PHONE) is not None for _ in range(3)] == [True, True, False]
    assert faults.active() == []


def test_a_fault_with_seconds_is_over_when_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    faults = Faults()
    fault = faults.add(EVERYONE, Kind.REFUSE_LOGIN, seconds=10)
    now += 9.9
    assert faults.take(Kind.REFUSE_LOGIN, PHONE) is fault
    assert fault.describe()["occurrences"] == 1
    now += 0.2
    assert faults.take(Kind.REFUSE_LOGIN, PHONE) is None
    assert faults.clear() == 0

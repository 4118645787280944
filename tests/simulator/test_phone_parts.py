"""The parts under a simulated phone that need no server."""

import asyncio
import re
from pathlib import Path

import pytest

from simulator.companion_gate import Gate
from simulator.phone_archive import Archive, Entry
from simulator.phone_errors import InvalidPhoneError, PhoneError, SendFailedError, error_of
from simulator.phone_number import chat_name, phone_digits

PAGE = Path(__file__).resolve().parents[2] / "simulator" / "page"


def entry(message_id: str, *, sender: str = "552", from_me: bool = False, status: str | None = None) -> Entry:
    return Entry("551111", message_id, "552", sender, from_me, "text", "olá", 1_700_000_000_000, status, raw=b"raw")


@pytest.mark.parametrize(
    "text", ["5511999990001", "+5511999990001", "5511999990001@s.whatsapp.net", "5511999990001:7@s.whatsapp.net"]
)
def test_a_phone_is_known_by_its_digits_however_it_is_written(text: str) -> None:
    assert phone_digits(text) == "5511999990001"


@pytest.mark.parametrize(
    "text", ["", "abc", "123", "5511999990001@g.us", "55\n11999990001", "٥٥١١٩٩٩٩٩", None, 5511999990001]
)
def test_what_is_no_phone_is_refused(text: object) -> None:
    with pytest.raises(InvalidPhoneError):
        phone_digits(text)


def test_a_group_is_a_chat() -> None:
    assert chat_name("120363000000000001@g.us") == "120363000000000001@g.us"


def test_errors_keep_their_type_over_the_pipe() -> None:
    assert isinstance(error_of("SEND_FAILED", "no"), SendFailedError)
    assert type(error_of("SOMETHING_NEW", "no")) is PhoneError


async def test_a_start_waits_for_a_call_that_is_entering_and_holds_the_next_one_off() -> None:
    gate, order, release = Gate(), [], asyncio.Event()

    async def call(name: str) -> None:
        order.append(name)
        await release.wait()

    async def start() -> None:
        async with gate.exclusive():
            order.append("start")
            release.set()

    first = asyncio.create_task(gate.call(call("first")))
    await asyncio.sleep(0)
    starting = asyncio.create_task(start())
    await asyncio.sleep(0)
    second = asyncio.create_task(gate.call(call("second")))
    await asyncio.gather(first, starting, second)
    assert order == ["first", "start", "second"]


def test_a_redelivered_message_is_stored_once(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "messages.db")
    assert archive.add(entry("A")) == 1
    assert archive.add(entry("A")) is None
    assert [one.id for one in archive.messages("551111")] == ["A"]


def test_messages_outlive_the_process_and_can_be_asked_from_a_point_on(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "messages.db")
    for message_id in "ABC":
        archive.add(entry(message_id))
    again = Archive(tmp_path / "messages.db")
    assert [one.id for one in again.messages("551111", after=1)] == ["B", "C"]
    assert again.messages("551111")[0].raw == b"raw"
    assert again.messages("552222") == []


def test_a_late_delivery_receipt_does_not_undo_a_read(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "messages.db")
    archive.add(entry("A", sender="551111", from_me=True, status="sent"))
    assert archive.set_status("551111", ["A", "unknown"], "read") == ["A"]
    assert archive.set_status("551111", ["A"], "delivered") == []
    assert archive.messages("551111")[0].status == "read"


def test_only_messages_of_others_are_unread(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "messages.db")
    archive.add(entry("A"))
    archive.add(entry("B", sender="551111", from_me=True, status="sent"))
    assert [one.id for one in archive.unread("551111", "552")] == ["A"]
    archive.set_status("551111", ["A"], "read")
    assert archive.unread("551111", "552") == []


def test_the_page_has_its_words_in_both_languages() -> None:
    words = (PAGE / "words.js").read_text(encoding="utf-8")
    english, portuguese = words.split("const pt = {")
    used = set(
        re.findall(r'data-(?:text|label|placeholder)="(\w+)"', (PAGE / "index.html").read_text(encoding="utf-8"))
    )
    for script in PAGE.glob("*.js"):
        used |= set(re.findall(r"\bwords\.(?!js\b)(\w+)", script.read_text(encoding="utf-8")))
    for language in (english, portuguese.split("export")[0]):
        assert used - set(re.findall(r"\b(\w+):", language)) == set()


def test_the_page_loads_nothing_from_elsewhere() -> None:
    for file in PAGE.iterdir():
        urls = re.findall(r"https?://[^\s\"'<>]+", file.read_text(encoding="utf-8"))
        assert [url for url in urls if not url.startswith("http://www.w3.org/")] == [], file.name

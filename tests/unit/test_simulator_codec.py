"""WhatsApp's binary XML, framing and dictionaries."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import tokens
from simulator.codec import MalformedFrameError, decode, encode
from simulator.frame import HEADER, Framer, FramingError, framed
from simulator.jid import SERVER, Jid
from simulator.node import Node

texts = st.one_of(
    st.text(max_size=300).filter(bool),
    st.text("0123456789.-", min_size=1, max_size=130),
    st.text("0123456789ABCDEF", min_size=1, max_size=130),
    st.sampled_from([token for token in [*tokens.SINGLE, *tokens.DOUBLE[0], *tokens.DOUBLE[3]] if token]),
)
jids = st.builds(
    Jid, st.text("0123456789", min_size=1, max_size=15), st.sampled_from(["s.whatsapp.net", "lid"]), st.integers(0, 255)
)
attributes = st.dictionaries(texts, st.one_of(texts, jids), max_size=5)
nodes = st.recursive(
    st.builds(Node, texts, attributes, st.one_of(st.none(), st.binary(max_size=400))),
    lambda children: st.builds(Node, texts, attributes, st.lists(children, max_size=4)),
    max_leaves=20,
)


@given(nodes)
def test_what_is_encoded_is_decoded_again(node: Node) -> None:
    assert decode(encode(node)) == node


@given(nodes)
def test_compressed_frames_are_read(node: Node) -> None:
    assert decode(b"\x02" + zlib.compress(encode(node)[1:])) == node


@given(st.binary(max_size=60))
def test_garbage_is_an_error_and_nothing_else(data: bytes) -> None:
    try:
        node = decode(b"\x00" + data)
    except MalformedFrameError:
        return
    assert node.tag


@pytest.mark.parametrize(
    ("node", "frame"),
    [
        # Written out by hand from the format: list sizes, tokens, packed digits, both forms of an address.
        (Node("iq", {"to": SERVER, "id": "12.3-4"}), "00 f805 19 11 fa0003 08 ff0312b3a4"),
        (Node("message", {"from": Jid("5511", "lid", 7)}, b"\x01"), "00 f804 13 06 f70107ff025511 fc0101"),
        (Node("ack", {"id": "3EB0F"}, [Node("user")]), "00 f804 1b 08 fb833eb0ff f801 f8010e"),
    ],
)
def test_frames_have_the_bytes_of_the_format(node: Node, frame: str) -> None:
    assert encode(node) == bytes.fromhex(frame)
    assert decode(bytes.fromhex(frame)) == node


def test_large_lists_and_contents_have_longer_sizes() -> None:
    node = Node("list", {}, [Node("item", {}, bytes(size)) for size in (255, 256, 70_000)] + [Node("item")] * 300)
    assert decode(encode(node)) == node
    assert decode(encode(Node("enc", {}, bytes(1 << 20)))).data == bytes(1 << 20)


def test_the_dictionaries_are_those_of_version_3() -> None:
    assert tokens.VERSION == 3
    assert (len(tokens.SINGLE), [len(dictionary) for dictionary in tokens.DOUBLE]) == (236, [256] * 4)
    assert tokens.SINGLE[3] == "s.whatsapp.net"
    assert tokens.DOUBLE[0][0] == "read-self"


@given(st.lists(st.binary(max_size=50), max_size=5), st.integers(1, 7))
def test_frames_are_cut_wherever_the_stream_is(frames: list[bytes], step: int) -> None:
    stream = HEADER + b"".join(map(framed, frames))
    framer = Framer()
    found = [frame for at in range(0, len(stream), step) for frame in framer.feed(stream[at : at + step])]
    assert found == frames


def test_routing_information_before_the_header_is_skipped() -> None:
    stream = b"ED\x00\x01\x00\x00\x04abcd" + HEADER + framed(b"hello")
    framer = Framer()
    assert [frame for byte in stream for frame in framer.feed(bytes((byte,)))] == [b"hello"]
    with pytest.raises(FramingError):
        list(Framer().feed(b"GET / HTTP/1.1"))


@pytest.mark.parametrize("text", ["5511@s.whatsapp.net", "5511:7@lid", "1203@g.us", "s.whatsapp.net"])
def test_addresses_are_read_as_they_are_written(text: str) -> None:
    assert str(Jid.parse(text)) == text


def test_an_address_with_an_agent_is_read() -> None:
    assert Jid.parse("5511.0:3@s.whatsapp.net") == Jid("5511", "s.whatsapp.net", 3)
    assert Jid("5511", "lid", 3).hash_form == "5511.0:3@lid"


def test_elements_are_shown_without_their_bytes() -> None:
    assert repr(Node("enc", {"type": "msg"}, b"secret")) == "<enc type=msg>(6 bytes)</enc>"

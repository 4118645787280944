"""Keys, signatures, handshake and certificates of the simulated WhatsApp."""

import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidTag

from simulator import certificates, curve
from simulator.certificates import is_ours, server_context
from simulator.curve import KeyPair
from simulator.frame import HEADER
from simulator.noise import Handshake, HandshakeError, ServerKeys
from simulator.wire_pb2 import ClientPayload, HandshakeMessage
from tests.simulator.raw_client import Initiator, check_certificates


@pytest.fixture
def keys() -> ServerKeys:
    return ServerKeys(*(KeyPair.generate() for _ in range(3)))


def test_signatures_are_verified_and_forgeries_are_not() -> None:
    pair, other = KeyPair.generate(), KeyPair.generate()
    signature = pair.sign(b"message")
    assert curve.verify(pair.public, b"message", signature)
    assert not curve.verify(pair.public, b"another", signature)
    assert not curve.verify(other.public, b"message", signature)
    assert not curve.verify(pair.public, b"message", signature[:-1])
    assert not curve.verify(b"", b"message", signature)


def test_a_key_agreement_is_mutual() -> None:
    one, two = KeyPair.generate(), KeyPair.generate()
    assert one.agree(two.public) == two.agree(one.public)
    with pytest.raises(ValueError, match="shared key"):
        one.agree(bytes(32))


def test_a_handshake_gives_both_sides_the_same_keys(keys: ServerKeys) -> None:
    client_static, ephemeral, noise = KeyPair.generate(), KeyPair.generate(), Initiator()
    server = Handshake(keys, keys.certificates(), HEADER)
    noise.authenticate(ephemeral.public)
    hello = HandshakeMessage()
    hello.clientHello.ephemeral = ephemeral.public
    answer = HandshakeMessage.FromString(server.hello(hello.SerializeToString())).serverHello
    noise.authenticate(answer.ephemeral)
    noise.mix(ephemeral.agree(answer.ephemeral))
    static = noise.decrypt(answer.static)
    noise.mix(ephemeral.agree(static))
    check_certificates(noise.decrypt(answer.payload), keys.static.public, keys.root.public)
    finish = HandshakeMessage()
    finish.clientFinish.static = noise.encrypt(client_static.public)
    noise.mix(client_static.agree(answer.ephemeral))
    finish.clientFinish.payload = noise.encrypt(ClientPayload(username=5511, device=3).SerializeToString())
    established = server.finish(finish.SerializeToString())
    assert established.client_static == client_static.public
    assert (established.payload.username, established.payload.device) == (5511, 3)
    sealed = established.sending.encrypt(b"frame")
    with pytest.raises(InvalidTag):
        established.receiving.decrypt(sealed)


def test_nonsense_in_a_handshake_is_refused(keys: ServerKeys) -> None:
    for message in (b"", b"\xff\xff", HandshakeMessage(clientHello={"ephemeral": b"short"}).SerializeToString()):
        with pytest.raises(HandshakeError):
            Handshake(keys, b"", HEADER).hello(message)
    hello = HandshakeMessage(clientHello={"ephemeral": KeyPair.generate().public}).SerializeToString()
    server = Handshake(keys, b"", HEADER)
    server.hello(hello)
    with pytest.raises(HandshakeError):
        server.finish(HandshakeMessage(clientFinish={"static": bytes(48), "payload": b""}).SerializeToString())


def test_the_authority_is_the_same_after_a_restart(tmp_path: Path) -> None:
    assert isinstance(server_context(tmp_path), ssl.SSLContext)
    first = (tmp_path / "ca.pem").read_bytes()
    server_context(tmp_path)
    assert (tmp_path / "ca.pem").read_bytes() == first
    assert (tmp_path / "ca.key").stat().st_mode & 0o077 == 0
    ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))


def test_an_authority_near_its_end_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server_context(tmp_path)
    first = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    later = first.not_valid_after_utc - datetime.timedelta(days=5)
    monkeypatch.setattr(certificates, "_now", lambda: later)
    server_context(tmp_path)
    assert x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes()).not_valid_after_utc > later


def test_only_whatsapp_is_impersonated() -> None:
    for host in ("web.whatsapp.com", "mmg.whatsapp.net", "media-gru1-1.cdn.whatsapp.net", "whatsapp.net"):
        assert is_ours(host)
    for host in ("example.com", "whatsapp.com.example.com", "evilwhatsapp.net", ""):
        assert not is_ours(host)

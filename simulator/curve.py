"""Curve25519 as Signal and WhatsApp use it: X25519 key agreement, and XEdDSA signatures with the same keys."""

from __future__ import annotations

import os
from typing import NamedTuple

import xeddsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

KEY_SIZE = 32
SIGNATURE_SIZE = 64
KEY_TYPE = b"\x05"
"""Type byte which Signal writes before such a key."""


class KeyPair(NamedTuple):
    """32 bytes each."""

    private: bytes
    public: bytes

    @classmethod
    def generate(cls) -> KeyPair:
        return cls.of(os.urandom(KEY_SIZE))

    @classmethod
    def of(cls, private: bytes) -> KeyPair:
        """The pair that belongs to 32 private bytes."""
        return cls(private, X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw())

    def agree(self, public: bytes) -> bytes:
        """X25519 shared secret with another's 32-byte public key. Raises ValueError if the key is worthless."""
        private = X25519PrivateKey.from_private_bytes(self.private)
        return private.exchange(X25519PublicKey.from_public_bytes(public))

    def sign(self, message: bytes) -> bytes:
        """XEdDSA signature, 64 bytes, of the form libsignal verifies (sign bit of the key in the last bit: 0)."""
        private = xeddsa.priv_force_sign(self.private, set_sign_bit=False)
        return xeddsa.ed25519_priv_sign(private, message)


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the XEdDSA signature is that of the key's owner; libsignal keeps the key's sign in its last bit."""
    if len(public) != KEY_SIZE or len(signature) != SIGNATURE_SIZE:
        return False
    sign = bool(signature[-1] & 0x80)
    plain = signature[:-1] + bytes((signature[-1] & 0x7F,))
    return xeddsa.ed25519_verify(plain, xeddsa.curve25519_pub_to_ed25519_pub(public, set_sign_bit=sign), message)

"""The identity a phone gives to a device it links (whatsmeow pair.go; ADV: authenticated device)."""

from __future__ import annotations

import hmac
import secrets
import time
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from simulator import curve
from simulator.registry import Phone
from simulator.wire_pb2 import ADVDeviceIdentity, ADVSignedDeviceIdentity, ADVSignedDeviceIdentityHMAC

_ACCOUNT_SIGNATURE = b"\x06\x00"
_DEVICE_SIGNATURE = b"\x06\x01"


@dataclass(frozen=True)
class Identity:
    """What a phone signed for a device, and what the device is to sign in turn."""

    details: bytes
    account_key: bytes
    account_signature: bytes
    device_key: bytes

    @classmethod
    def issue(cls, phone: Phone, device_key: bytes, key_index: int) -> Identity:
        """Sign a device's identity key (32 bytes) with the account key of its phone."""
        details = ADVDeviceIdentity()
        details.rawID = secrets.randbits(32)
        details.timestamp = int(time.time())
        details.keyIndex = key_index
        serialized = details.SerializeToString()
        signature = phone.account.sign(_ACCOUNT_SIGNATURE + serialized + device_key)
        return cls(serialized, phone.account.public, signature, device_key)

    def sealed(self, secret: bytes) -> bytes:
        """For the device: authenticated with the secret of its QR code."""
        signed = ADVSignedDeviceIdentity()
        signed.details = self.details
        signed.accountSignatureKey = self.account_key
        signed.accountSignature = self.account_signature
        container = ADVSignedDeviceIdentityHMAC()
        container.details = signed.SerializeToString()
        container.HMAC = hmac.digest(secret, container.details, "sha256")
        return container.SerializeToString()

    def accepts(self, answer: bytes) -> bool:
        """Whether the device returned this identity, signed with its own key."""
        try:
            signed = ADVSignedDeviceIdentity.FromString(answer)
        except DecodeError:
            return False
        message = _DEVICE_SIGNATURE + self.details + self.device_key + self.account_key
        return signed.details == self.details and curve.verify(self.device_key, message, signed.deviceSignature)

# ruff: noqa
# pyright: basic
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HandshakeMessage(_message.Message):
    __slots__ = ("clientHello", "serverHello", "clientFinish")
    class ClientHello(_message.Message):
        __slots__ = ("ephemeral",)
        EPHEMERAL_FIELD_NUMBER: _ClassVar[int]
        ephemeral: bytes
        def __init__(self, ephemeral: _Optional[bytes] = ...) -> None: ...

    class ServerHello(_message.Message):
        __slots__ = ("ephemeral", "static", "payload")
        EPHEMERAL_FIELD_NUMBER: _ClassVar[int]
        STATIC_FIELD_NUMBER: _ClassVar[int]
        PAYLOAD_FIELD_NUMBER: _ClassVar[int]
        ephemeral: bytes
        static: bytes
        payload: bytes
        def __init__(
            self, ephemeral: _Optional[bytes] = ..., static: _Optional[bytes] = ..., payload: _Optional[bytes] = ...
        ) -> None: ...

    class ClientFinish(_message.Message):
        __slots__ = ("static", "payload")
        STATIC_FIELD_NUMBER: _ClassVar[int]
        PAYLOAD_FIELD_NUMBER: _ClassVar[int]
        static: bytes
        payload: bytes
        def __init__(self, static: _Optional[bytes] = ..., payload: _Optional[bytes] = ...) -> None: ...

    CLIENTHELLO_FIELD_NUMBER: _ClassVar[int]
    SERVERHELLO_FIELD_NUMBER: _ClassVar[int]
    CLIENTFINISH_FIELD_NUMBER: _ClassVar[int]
    clientHello: HandshakeMessage.ClientHello
    serverHello: HandshakeMessage.ServerHello
    clientFinish: HandshakeMessage.ClientFinish
    def __init__(
        self,
        clientHello: _Optional[_Union[HandshakeMessage.ClientHello, _Mapping]] = ...,
        serverHello: _Optional[_Union[HandshakeMessage.ServerHello, _Mapping]] = ...,
        clientFinish: _Optional[_Union[HandshakeMessage.ClientFinish, _Mapping]] = ...,
    ) -> None: ...

class ClientPayload(_message.Message):
    __slots__ = ("username", "passive", "pushName", "device", "devicePairingData", "pull")
    class DevicePairingRegistrationData(_message.Message):
        __slots__ = ("eRegid", "eKeytype", "eIdent", "eSkeyID", "eSkeyVal", "eSkeySig", "buildHash", "deviceProps")
        EREGID_FIELD_NUMBER: _ClassVar[int]
        EKEYTYPE_FIELD_NUMBER: _ClassVar[int]
        EIDENT_FIELD_NUMBER: _ClassVar[int]
        ESKEYID_FIELD_NUMBER: _ClassVar[int]
        ESKEYVAL_FIELD_NUMBER: _ClassVar[int]
        ESKEYSIG_FIELD_NUMBER: _ClassVar[int]
        BUILDHASH_FIELD_NUMBER: _ClassVar[int]
        DEVICEPROPS_FIELD_NUMBER: _ClassVar[int]
        eRegid: bytes
        eKeytype: bytes
        eIdent: bytes
        eSkeyID: bytes
        eSkeyVal: bytes
        eSkeySig: bytes
        buildHash: bytes
        deviceProps: bytes
        def __init__(
            self,
            eRegid: _Optional[bytes] = ...,
            eKeytype: _Optional[bytes] = ...,
            eIdent: _Optional[bytes] = ...,
            eSkeyID: _Optional[bytes] = ...,
            eSkeyVal: _Optional[bytes] = ...,
            eSkeySig: _Optional[bytes] = ...,
            buildHash: _Optional[bytes] = ...,
            deviceProps: _Optional[bytes] = ...,
        ) -> None: ...

    USERNAME_FIELD_NUMBER: _ClassVar[int]
    PASSIVE_FIELD_NUMBER: _ClassVar[int]
    PUSHNAME_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    DEVICEPAIRINGDATA_FIELD_NUMBER: _ClassVar[int]
    PULL_FIELD_NUMBER: _ClassVar[int]
    username: int
    passive: bool
    pushName: str
    device: int
    devicePairingData: ClientPayload.DevicePairingRegistrationData
    pull: bool
    def __init__(
        self,
        username: _Optional[int] = ...,
        passive: _Optional[bool] = ...,
        pushName: _Optional[str] = ...,
        device: _Optional[int] = ...,
        devicePairingData: _Optional[_Union[ClientPayload.DevicePairingRegistrationData, _Mapping]] = ...,
        pull: _Optional[bool] = ...,
    ) -> None: ...

class DeviceProps(_message.Message):
    __slots__ = ("os", "platformType")
    OS_FIELD_NUMBER: _ClassVar[int]
    PLATFORMTYPE_FIELD_NUMBER: _ClassVar[int]
    os: str
    platformType: int
    def __init__(self, os: _Optional[str] = ..., platformType: _Optional[int] = ...) -> None: ...

class CertChain(_message.Message):
    __slots__ = ("leaf", "intermediate")
    class NoiseCertificate(_message.Message):
        __slots__ = ("details", "signature")
        class Details(_message.Message):
            __slots__ = ("serial", "issuerSerial", "key", "notBefore", "notAfter")
            SERIAL_FIELD_NUMBER: _ClassVar[int]
            ISSUERSERIAL_FIELD_NUMBER: _ClassVar[int]
            KEY_FIELD_NUMBER: _ClassVar[int]
            NOTBEFORE_FIELD_NUMBER: _ClassVar[int]
            NOTAFTER_FIELD_NUMBER: _ClassVar[int]
            serial: int
            issuerSerial: int
            key: bytes
            notBefore: int
            notAfter: int
            def __init__(
                self,
                serial: _Optional[int] = ...,
                issuerSerial: _Optional[int] = ...,
                key: _Optional[bytes] = ...,
                notBefore: _Optional[int] = ...,
                notAfter: _Optional[int] = ...,
            ) -> None: ...

        DETAILS_FIELD_NUMBER: _ClassVar[int]
        SIGNATURE_FIELD_NUMBER: _ClassVar[int]
        details: bytes
        signature: bytes
        def __init__(self, details: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

    LEAF_FIELD_NUMBER: _ClassVar[int]
    INTERMEDIATE_FIELD_NUMBER: _ClassVar[int]
    leaf: CertChain.NoiseCertificate
    intermediate: CertChain.NoiseCertificate
    def __init__(
        self,
        leaf: _Optional[_Union[CertChain.NoiseCertificate, _Mapping]] = ...,
        intermediate: _Optional[_Union[CertChain.NoiseCertificate, _Mapping]] = ...,
    ) -> None: ...

class ADVDeviceIdentity(_message.Message):
    __slots__ = ("rawID", "timestamp", "keyIndex")
    RAWID_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    KEYINDEX_FIELD_NUMBER: _ClassVar[int]
    rawID: int
    timestamp: int
    keyIndex: int
    def __init__(
        self, rawID: _Optional[int] = ..., timestamp: _Optional[int] = ..., keyIndex: _Optional[int] = ...
    ) -> None: ...

class ADVSignedDeviceIdentity(_message.Message):
    __slots__ = ("details", "accountSignatureKey", "accountSignature", "deviceSignature")
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    ACCOUNTSIGNATUREKEY_FIELD_NUMBER: _ClassVar[int]
    ACCOUNTSIGNATURE_FIELD_NUMBER: _ClassVar[int]
    DEVICESIGNATURE_FIELD_NUMBER: _ClassVar[int]
    details: bytes
    accountSignatureKey: bytes
    accountSignature: bytes
    deviceSignature: bytes
    def __init__(
        self,
        details: _Optional[bytes] = ...,
        accountSignatureKey: _Optional[bytes] = ...,
        accountSignature: _Optional[bytes] = ...,
        deviceSignature: _Optional[bytes] = ...,
    ) -> None: ...

class ADVSignedDeviceIdentityHMAC(_message.Message):
    __slots__ = ("details", "HMAC")
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    HMAC_FIELD_NUMBER: _ClassVar[int]
    details: bytes
    HMAC: bytes
    def __init__(self, details: _Optional[bytes] = ..., HMAC: _Optional[bytes] = ...) -> None: ...

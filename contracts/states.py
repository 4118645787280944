"""The closed set of session states, what each means to a person, and how it maps to the original `status` column."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SessionState(StrEnum):
    """Where a session is in its life. The workflow is the only one who moves it (see `workflows.transitions`)."""

    STARTING = "starting"
    AWAITING_SCAN = "awaiting_scan"
    PAIRING = "pairing"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    QR_EXPIRED = "qr_expired"
    LOGGED_OUT = "logged_out"
    BANNED = "banned"
    CLIENT_OUTDATED = "client_outdated"
    DUPLICATE = "duplicate"
    STOPPED = "stopped"
    DELETED = "deleted"


class LegacyStatus(StrEnum):
    """The vocabulary of the column `whatsapp_sessions.status`, kept for the readers that exist."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    DUPLICATE = "duplicate"


class ClientConnection(StrEnum):
    """The `update.connection` values of the Socket.IO event `connectionUpdate`."""

    CONNECTING = "connecting"
    OPEN = "open"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class StateMeaning:
    """What one state means: to the old column, to a Socket.IO client, and to a person in two languages."""

    status: LegacyStatus
    connection: ClientConnection
    pt: str
    en: str


_CONNECTING = (LegacyStatus.CONNECTING, ClientConnection.CONNECTING)
_CLOSED = (LegacyStatus.DISCONNECTED, ClientConnection.CLOSE)

MEANINGS: dict[SessionState, StateMeaning] = {
    SessionState.STARTING: StateMeaning(*_CONNECTING, "Preparando a conexão.", "Preparing the connection."),
    SessionState.AWAITING_SCAN: StateMeaning(
        *_CONNECTING,
        "Aguardando a leitura do QR code no celular.",
        "Waiting for the QR code to be scanned on the phone.",
    ),
    SessionState.PAIRING: StateMeaning(
        *_CONNECTING, "QR code lido; concluindo o pareamento.", "QR code scanned; finishing the pairing."
    ),
    SessionState.CONNECTED: StateMeaning(
        LegacyStatus.CONNECTED, ClientConnection.OPEN, "Conectado ao WhatsApp.", "Connected to WhatsApp."
    ),
    SessionState.RECONNECTING: StateMeaning(
        *_CONNECTING,
        "A conexão caiu; reconectando automaticamente.",
        "The connection was lost; reconnecting by itself.",
    ),
    SessionState.QR_EXPIRED: StateMeaning(
        *_CLOSED,
        "O tempo para ler o QR code acabou. Gere um novo QR code para continuar.",
        "The time to scan the QR code ran out. Ask for a new QR code to go on.",
    ),
    SessionState.LOGGED_OUT: StateMeaning(
        *_CLOSED,
        "O aparelho foi desvinculado. Gere um novo QR code para conectar de novo.",
        "The device was unlinked. Ask for a new QR code to connect again.",
    ),
    SessionState.BANNED: StateMeaning(
        *_CLOSED,
        "O WhatsApp bloqueou este número temporariamente. Veja o prazo e evite novos envios em massa.",
        "WhatsApp has blocked this number for a while. See until when, and avoid bulk sends.",
    ),
    SessionState.CLIENT_OUTDATED: StateMeaning(
        *_CLOSED,
        "O WhatsApp recusou esta versão do cliente. O Perene precisa ser atualizado.",
        "WhatsApp refused this client version. Perene has to be updated.",
    ),
    SessionState.DUPLICATE: StateMeaning(
        LegacyStatus.DUPLICATE,
        ClientConnection.CLOSE,
        "Este número foi conectado em outro lugar; esta conexão foi encerrada.",
        "This number was connected elsewhere; this connection was closed.",
    ),
    SessionState.STOPPED: StateMeaning(
        *_CLOSED,
        "Desconectado a pedido. As chaves foram mantidas; reconecte quando quiser.",
        "Disconnected on request. The keys are kept; reconnect at any time.",
    ),
    SessionState.DELETED: StateMeaning(*_CLOSED, "Conexão removida.", "Connection removed."),
}

PAIRING_STATES = frozenset({SessionState.STARTING, SessionState.AWAITING_SCAN})
HOSTED_STATES = frozenset({SessionState.PAIRING, SessionState.CONNECTED, SessionState.RECONNECTING})
RESTING_STATES = frozenset(
    {
        SessionState.QR_EXPIRED,
        SessionState.LOGGED_OUT,
        SessionState.BANNED,
        SessionState.CLIENT_OUTDATED,
        SessionState.DUPLICATE,
        SessionState.STOPPED,
    }
)


def human_text(state: SessionState, language: str = "pt") -> str:
    """The sentence a person reads for `state`; `language` is "pt" or "en" (anything else reads Portuguese)."""
    meaning = MEANINGS[state]
    return meaning.en if language.startswith("en") else meaning.pt

"""The failure taxonomy: each failure has a stable code, a category, an HTTP status, two texts and a runbook.

One table drives HTTP answers, workflow retries and alert texts, so that API, page, alert and runbook share their words.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Category(StrEnum):
    """Who has to act."""

    CLIENT = "client"
    TRANSIENT = "transient"
    OPERATOR = "operator"
    BUG = "bug"


@dataclass(frozen=True, slots=True)
class Failure:
    """One row of the taxonomy. `http` is a status code; `runbook` a file name under runbooks/ or None."""

    code: str
    http: int
    category: Category
    pt: str
    en: str
    runbook: str | None = None

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later without anybody changing it."""
        return self.category is Category.TRANSIENT


def _rows(*rows: Failure) -> dict[str, Failure]:
    return {row.code: row for row in rows}


FAILURES: dict[str, Failure] = _rows(
    Failure(
        "CONNECTION_NOT_FOUND",
        404,
        Category.CLIENT,
        "Conexão não encontrada. Confira o id em GET /connections.",
        "Connection not found. Check the id in GET /connections.",
    ),
    Failure(
        "ATENDIMENTO_NOT_FOUND",
        404,
        Category.CLIENT,
        "Não há atendimento aberto para este contato. Use /abrir-conversa primeiro.",
        "There is no open atendimento for this contact. Use /abrir-conversa first.",
    ),
    Failure(
        "CONNECTION_ALREADY_EXISTS",
        409,
        Category.CLIENT,
        "Já existe uma conexão com este connectionId. Use outro id ou a conexão existente.",
        "A connection with this connectionId exists already. Use another id, or that connection.",
    ),
    Failure(
        "MAX_CONNECTIONS_REACHED",
        409,
        Category.CLIENT,
        "Limite de conexões atingido. Remova uma conexão para criar outra.",
        "The limit of connections is reached. Remove one to create another.",
    ),
    Failure(
        "SESSION_ALREADY_PAIRED",
        409,
        Category.CLIENT,
        "Esta conexão já está pareada. Use /logout antes de ler outro QR code.",
        "This connection is paired already. Use /logout before scanning another QR code.",
    ),
    Failure(
        "SESSION_NOT_PAIRED",
        409,
        Category.CLIENT,
        "Esta conexão não tem um aparelho vinculado. Use /refresh-qr e leia o QR code.",
        "This connection has no linked device. Use /refresh-qr and scan the QR code.",
    ),
    Failure(
        "SESSION_NOT_AWAITING_SCAN",
        409,
        Category.CLIENT,
        "Esta conexão não está aguardando pareamento. Use /refresh-qr primeiro.",
        "This connection is not waiting to be paired. Use /refresh-qr first.",
    ),
    Failure(
        "SESSION_NOT_CONNECTED",
        409,
        Category.CLIENT,
        "Esta conexão não está conectada ao WhatsApp agora. Tente de novo em instantes.",
        "This connection is not connected to WhatsApp now. Try again in a moment.",
    ),
    Failure(
        "SESSION_DELETED",
        410,
        Category.CLIENT,
        "Esta conexão foi removida.",
        "This connection was removed.",
    ),
    Failure(
        "INVALID_REQUEST",
        400,
        Category.CLIENT,
        "Requisição inválida. Confira os campos indicados.",
        "Invalid request. Check the fields named.",
    ),
    Failure(
        "INVALID_JSON",
        400,
        Category.CLIENT,
        "O corpo da requisição não é um JSON válido.",
        "The request body is not valid JSON.",
    ),
    Failure(
        "INVALID_CONNECTION_ID",
        400,
        Category.CLIENT,
        "connectionId inválido: use de 1 a 200 letras, números e . _ : @ -, começando por letra ou número.",
        "Invalid connectionId: use 1 to 200 letters, digits and . _ : @ -, beginning with a letter or digit.",
    ),
    Failure(
        "INVALID_OWNER_ID",
        400,
        Category.CLIENT,
        "x-user-id deve ser um UUID.",
        "x-user-id must be a UUID.",
    ),
    Failure(
        "INVALID_PHONE_NUMBER",
        400,
        Category.CLIENT,
        "Número de telefone inválido. Use o formato internacional, por exemplo 5511999990001.",
        "Invalid phone number. Use the international form, for instance 5511999990001.",
    ),
    Failure(
        "INVALID_CHAT_ID",
        400,
        Category.CLIENT,
        "chatId deve ser um JID ou um número de telefone.",
        "chatId must be a JID or a phone number.",
    ),
    Failure(
        "UNSUPPORTED_MESSAGE_TYPE",
        400,
        Category.CLIENT,
        "Tipo de mensagem não suportado.",
        "This message type is not supported.",
    ),
    Failure(
        "BODY_TOO_LARGE",
        413,
        Category.CLIENT,
        "O corpo da requisição é grande demais.",
        "The request body is too large.",
    ),
    Failure(
        "UNSUPPORTED_MEDIA_TYPE",
        415,
        Category.CLIENT,
        "Tipo de conteúdo não suportado. Envie JSON.",
        "Unsupported content type. Send JSON.",
    ),
    Failure(
        "NOT_ACCEPTABLE",
        406,
        Category.CLIENT,
        "Formato pedido não disponível.",
        "The format asked for is not available.",
    ),
    Failure(
        "ROUTE_NOT_FOUND",
        404,
        Category.CLIENT,
        "Rota não encontrada.",
        "No such route.",
    ),
    Failure(
        "METHOD_NOT_ALLOWED",
        405,
        Category.CLIENT,
        "Método não permitido nesta rota.",
        "This method is not allowed on this route.",
    ),
    Failure(
        "UNAUTHENTICATED",
        401,
        Category.CLIENT,
        "Credenciais ausentes ou inválidas.",
        "Credentials are missing or invalid.",
    ),
    Failure(
        "FORBIDDEN",
        403,
        Category.CLIENT,
        "Você não tem permissão para isto.",
        "You may not do this.",
    ),
    Failure(
        "RATE_LIMITED",
        429,
        Category.TRANSIENT,
        "Muitas requisições. Tente de novo depois do tempo indicado em Retry-After.",
        "Too many requests. Try again after the time given in Retry-After.",
    ),
    Failure(
        "QR_NOT_AVAILABLE",
        404,
        Category.TRANSIENT,
        "Ainda não há QR code para esta conexão.",
        "There is no QR code for this connection now.",
    ),
    Failure(
        "PAIRING_CODE_UNAVAILABLE",
        503,
        Category.TRANSIENT,
        "O WhatsApp não forneceu o código de pareamento. Tente de novo em instantes.",
        "WhatsApp gave no pairing code. Try again in a moment.",
    ),
    Failure(
        "COMMAND_TIMED_OUT",
        504,
        Category.TRANSIENT,
        "O comando foi aceito mas ainda não terminou. Acompanhe o estado da conexão.",
        "The command was accepted but has not finished. Watch the connection's state.",
    ),
    Failure(
        "ORCHESTRATOR_UNAVAILABLE",
        503,
        Category.TRANSIENT,
        "O orquestrador (Temporal) está indisponível. Nada foi perdido; tente de novo em instantes.",
        "The orchestrator (Temporal) is unavailable. Nothing was lost; try again in a moment.",
        "temporal-down.md",
    ),
    Failure(
        "DATABASE_UNAVAILABLE",
        503,
        Category.TRANSIENT,
        "O banco de dados está indisponível. Nada foi perdido; tente de novo em instantes.",
        "The database is unavailable. Nothing was lost; try again in a moment.",
        "postgresql-down.md",
    ),
    Failure(
        "STALE_EPOCH",
        409,
        Category.OPERATOR,
        "Outro processo já assumiu esta sessão.",
        "Another process holds this session now.",
        "worker-dead.md",
    ),
    Failure(
        "INTERNAL_ERROR",
        500,
        Category.BUG,
        "Erro interno. Informe o requestId ao suporte.",
        "Internal error. Give the requestId to support.",
    ),
)


class PereneError(Exception):
    """Something failed in a way the taxonomy knows."""

    code = "INTERNAL_ERROR"

    def __init__(self, message: str | None = None, *, code: str | None = None, data: dict[str, object] | None = None):
        """`message` is for logs and defaults to the docstring; `data` goes to the client beside the code."""
        if code is not None:
            self.code = code
        if self.code not in FAILURES:
            raise KeyError(f"failure code {self.code} is not in the taxonomy")
        self.data = data
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])

    @property
    def failure(self) -> Failure:
        """The row of the taxonomy."""
        return FAILURES[self.code]


class ConnectionNotFound(PereneError):
    """The owner has no connection of that id."""

    code = "CONNECTION_NOT_FOUND"


class AtendimentoNotFound(PereneError):
    """The owner has no such atendimento, or none that is open."""

    code = "ATENDIMENTO_NOT_FOUND"


class ConnectionAlreadyExists(PereneError):
    """The connection id is taken."""

    code = "CONNECTION_ALREADY_EXISTS"


class MaxConnectionsReached(PereneError):
    """The owner's quota is used up."""

    code = "MAX_CONNECTIONS_REACHED"


class StaleEpoch(PereneError):
    """A host wrote with a lease epoch that is no longer the session's: another host holds it."""

    code = "STALE_EPOCH"


class DatabaseUnavailable(PereneError):
    """PostgreSQL cannot be reached or gave up the connection."""

    code = "DATABASE_UNAVAILABLE"


class OrchestratorUnavailable(PereneError):
    """Temporal cannot be reached."""

    code = "ORCHESTRATOR_UNAVAILABLE"

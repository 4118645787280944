"""whatsmeow's receipts as the contract's."""

from __future__ import annotations

from datetime import UTC, datetime

from contracts.messages import DeliveryStatus, Receipt
from whatsapp.jids import STATUS_CHAT, bare
from whatsapp.protobufs import events

_KINDS = {
    events.Receipt.DELIVERED: (DeliveryStatus.DELIVERED, False),
    events.Receipt.INACTIVE: (DeliveryStatus.DELIVERED, False),
    events.Receipt.READ: (DeliveryStatus.READ, False),
    events.Receipt.PLAYED: (DeliveryStatus.PLAYED, False),
    events.Receipt.READ_SELF: (DeliveryStatus.READ, True),
    events.Receipt.PLAYED_SELF: (DeliveryStatus.PLAYED, True),
}
"""`inactive` is a delivery to a device that is not in the foreground (`SetForceActiveDeliveryReceipts`, receipt.go).
`sender`, `retry`, `peer_msg`, `hist_sync` and `server-error` are the devices' own business."""


def receipt_from_event(event: events.Receipt) -> Receipt | None:
    """The receipt, or None for a kind that says nothing about a message's way to its reader.

    A receipt `read` from our own account is our other devices' reading, as `read-self` is.
    """
    kind = _KINDS.get(event.Type)
    chat = bare(event.MessageSource.Chat)
    if kind is None or not event.MessageIDs or not chat or chat == STATUS_CHAT:
        return None
    status, own = kind
    return Receipt(
        message_ids=tuple(event.MessageIDs),
        chat=chat,
        status=status,
        timestamp=datetime.fromtimestamp(event.Timestamp, UTC),
        own=own or event.MessageSource.IsFromMe,
    )

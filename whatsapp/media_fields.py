"""What is needed to fetch an attachment later, as JSON types."""

from __future__ import annotations

import base64

from whatsapp.protobufs import e2e

Attachment = e2e.ImageMessage | e2e.VideoMessage | e2e.AudioMessage | e2e.DocumentMessage | e2e.StickerMessage
MediaFields = dict[str, object]


def media_fields(kind: str, attachment: Attachment) -> MediaFields:
    """Common fields of the five kinds: `kind` ("image", "video", "audio", "document", "sticker"), `directPath`, `url`,
    `mediaKey`, `fileSha256`, `fileEncSha256` (base64), `fileLength` (bytes), `mime`; those that are empty are left out.
    """
    found: MediaFields = {
        "kind": kind,
        "directPath": attachment.directPath,
        "url": attachment.URL,
        "mediaKey": base64.b64encode(attachment.mediaKey).decode(),
        "fileSha256": base64.b64encode(attachment.fileSHA256).decode(),
        "fileEncSha256": base64.b64encode(attachment.fileEncSHA256).decode(),
        "fileLength": attachment.fileLength,
        "mime": attachment.mimetype,
    }
    return present(found)


def present(fields: MediaFields) -> MediaFields:
    """`fields` without those that are empty."""
    return {name: value for name, value in fields.items() if value not in ("", 0, None, [])}

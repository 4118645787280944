"""Placeholder"""

from contracts.messages import SendJob
from contracts.ports import SendRefused
from whatsapp.client import Client
from whatsapp.protobufs import e2e
from whatsapp.workshop import Workshop


async def build_message(job: SendJob, client: Client, workshop: Workshop) -> bytes:
    if job.type != "text":
        raise SendRefused("unsupported")
    return e2e.Message(conversation=str(job.payload["text"])).SerializeToString()

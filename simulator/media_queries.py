"""Where to put and get media (whatsmeow mediaconn.go)."""

from __future__ import annotations

from simulator.client import Client
from simulator.node import Content, Node
from simulator.queries import Queries

MEDIA_HOST = "mmg.whatsapp.net"
_HOUR = "3600"


def register(queries: Queries) -> None:
    queries.add("w:m", "media_conn", _media_connection)


def _media_connection(_client: Client, _query: Node) -> Content:
    attributes = {"auth": "simulated", "ttl": _HOUR, "auth_ttl": _HOUR, "max_buckets": "12"}
    return [Node("media_conn", {**attributes}, [Node("host", {"hostname": MEDIA_HOST, "type": "primary"})])]

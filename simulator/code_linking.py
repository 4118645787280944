"""Pairing by an eight-character code instead of a QR."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.node import Node
from simulator.stanzas import refusal

if TYPE_CHECKING:
    from simulator.pairing import Pairing
    from simulator.world import World


class CodeLinks:
    """Clients that wait for a phone to enter their code."""

    def __init__(self, world: World) -> None:
        self._world = world

    def companion(self, pairing: Pairing, node: Node) -> None:
        """Take a stage of the exchange from a client."""
        pairing.socket.send(refusal(node, 501, "feature-not-implemented"))

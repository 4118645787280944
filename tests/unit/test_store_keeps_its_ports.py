"""The store's classes have the methods of the ports they serve, with the same parameters."""

from __future__ import annotations

import inspect

import pytest

from contracts import ports
from store.leases import PostgresLeases
from store.messages import PostgresMessages
from store.send_queue import PostgresSendQueue
from store.sessions import PostgresSessions

PAIRS = [
    (ports.LeaseStore, PostgresLeases),
    (ports.SessionStore, PostgresSessions),
    (ports.MessageStore, PostgresMessages),
    (ports.SendQueue, PostgresSendQueue),
]


@pytest.mark.parametrize(("port", "adapter"), PAIRS)
def test_every_method_of_the_port_is_there_with_its_parameters(port: type, adapter: type) -> None:
    wanted = {name: method for name, method in vars(port).items() if inspect.isfunction(method) and name[0] != "_"}
    assert wanted
    for name, method in wanted.items():
        given = inspect.signature(getattr(adapter, name)).parameters
        assert list(given) == list(inspect.signature(method).parameters), name

"""The transition table, enumerated: what every event means in every state, and what may never be lost."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import pytest

from contracts.errors import FAILURES
from contracts.states import HOSTED_STATES, PAIRING_STATES, RESTING_STATES, SessionState
from workflows.transitions import TRANSITIONS, SessionEvent, next_state, refusal

S, E = SessionState, SessionEvent
ALL = frozenset(S)
ALIVE = ALL - {S.DELETED}

MEANS_NOTHING: dict[SessionEvent, tuple[frozenset[SessionState], str]] = {
    E.QR_SHOWN: (ALL - {S.STARTING}, "a further code of a wait that is known, or one too late"),
    E.PAIRED: (ALL - PAIRING_STATES, "nobody pairs then"),
    E.PAIRING_REJECTED: (ALL - {S.PAIRING, S.RECONNECTING}, "a pairing that has connected once is finished"),
    E.PAIRING_UNSUPPORTED: (ALL - PAIRING_STATES, "nobody pairs then"),
    E.UNREACHABLE: (ALL - PAIRING_STATES, "a hosted session is told of by its link"),
    E.WINDOW_CLOSED: (ALL - PAIRING_STATES, "the window is over with the pairing"),
    E.CONNECTED: (ALL - {S.PAIRING, S.RECONNECTING}, "known already, or no socket is held"),
    E.DISCONNECTED: (ALL - {S.PAIRING, S.CONNECTED}, "known already, or no socket is held"),
    E.HOST_CHANGED: (ALL - {S.CONNECTED}, "only a connected session moves unseen"),
    E.LOGGED_OUT: (ALL - HOSTED_STATES, "no socket is held"),
    E.KEYS_MISSING: (ALL - HOSTED_STATES, "no socket is held"),
    E.BANNED: (ALL - HOSTED_STATES, "no socket is held"),
    E.REPLACED: (ALL - HOSTED_STATES, "no socket is held"),
    E.CLIENT_OUTDATED: (RESTING_STATES | {S.DELETED}, "no socket is held"),
    E.SUPERSEDED: (PAIRING_STATES | {S.DUPLICATE, S.DELETED}, "no device yet, or known already"),
    E.PROBE_DUE: (ALL - {S.BANNED, S.CLIENT_OUTDATED}, "no term runs there"),
    E.REFRESH_QR: (HOSTED_STATES | {S.DELETED}, "refused: paired already"),
    E.RECONNECT: (PAIRING_STATES | {S.DELETED}, "refused: nothing to connect"),
    E.DISCONNECT: (RESTING_STATES | {S.DELETED}, "nothing is open"),
    E.LOGOUT: (frozenset({S.DELETED}), "refused"),
    E.DELETE: (frozenset({S.DELETED}), "refused"),
}
"""Each pair that is left out of the table on purpose, and why."""


def reachable(start: Iterable[SessionState]) -> set[SessionState]:
    found, edge = set(start), list(start)
    while edge:
        state = edge.pop()
        for event in E:
            target = next_state(state, event)
            if target is not None and target not in found:
                found.add(target)
                edge.append(target)
    return found


@pytest.mark.parametrize(("state", "event"), [*product(S, E)])
def test_every_event_in_every_state_is_in_the_table_or_means_nothing_on_purpose(
    state: SessionState, event: SessionEvent
) -> None:
    nothing, reason = MEANS_NOTHING[event]
    assert reason
    assert ((state, event) in TRANSITIONS) != (state in nothing)


def test_the_three_kinds_of_states_share_nothing_and_leave_out_only_deleted() -> None:
    kinds = [PAIRING_STATES, HOSTED_STATES, RESTING_STATES]
    assert sum(len(kind) for kind in kinds) == len(frozenset().union(*kinds))
    assert frozenset().union(*kinds) == ALIVE


def test_nothing_leaves_deleted() -> None:
    assert all(next_state(S.DELETED, event) is None for event in E)


def test_every_state_is_reached_from_a_new_session() -> None:
    assert reachable([S.STARTING]) == ALL


@pytest.mark.parametrize("state", sorted(ALIVE))
def test_every_living_state_leads_back_to_connected(state: SessionState) -> None:
    assert S.CONNECTED in reachable([state])


@pytest.mark.parametrize("state", sorted(ALIVE))
def test_a_session_can_be_deleted_in_every_state(state: SessionState) -> None:
    assert next_state(state, E.DELETE) is S.DELETED
    assert refusal(state, E.DELETE, has_device=False) is None


@pytest.mark.parametrize("state", sorted(RESTING_STATES))
def test_no_end_is_left_except_by_a_command_a_due_probe_or_a_newer_session(state: SessionState) -> None:
    leaving = {event for event in E if next_state(state, event) not in (None, state)}
    assert leaving <= {E.REFRESH_QR, E.RECONNECT, E.LOGOUT, E.DELETE, E.PROBE_DUE, E.SUPERSEDED}


def test_only_a_ban_and_an_outdated_client_are_probed() -> None:
    assert {state for state in S if next_state(state, E.PROBE_DUE)} == {S.BANNED, S.CLIENT_OUTDATED}


@pytest.mark.parametrize("event", [E.LOGGED_OUT, E.KEYS_MISSING, E.BANNED, E.REPLACED, E.CLIENT_OUTDATED])
@pytest.mark.parametrize("state", sorted(HOSTED_STATES))
def test_what_must_not_be_retried_blindly_rests(state: SessionState, event: SessionEvent) -> None:
    assert next_state(state, event) in RESTING_STATES


@pytest.mark.parametrize(("state", "event", "has_device"), [*product(S, E, [True, False])])
def test_refusals_are_in_the_taxonomy_and_clients_may_act_on_them(
    state: SessionState, event: SessionEvent, has_device: bool
) -> None:
    code = refusal(state, event, has_device=has_device)
    assert code is None or FAILURES[code].http in (409, 410)


COMMANDS = [E.REFRESH_QR, E.RECONNECT, E.DISCONNECT, E.LOGOUT, E.DELETE]


@pytest.mark.parametrize(("state", "event"), [*product(sorted(ALIVE), COMMANDS)])
def test_a_command_that_is_not_refused_has_a_meaning(state: SessionState, event: SessionEvent) -> None:
    has_device = state in HOSTED_STATES
    if refusal(state, event, has_device=has_device) is None and event is not E.DISCONNECT:
        assert next_state(state, event) is not None


@pytest.mark.parametrize("event", COMMANDS)
def test_a_deleted_session_refuses_every_command(event: SessionEvent) -> None:
    assert refusal(S.DELETED, event, has_device=True) == "SESSION_DELETED"
    assert refusal(S.DELETED, event, has_device=False) == "SESSION_DELETED"


def test_a_paired_session_refuses_a_new_code_and_an_unpaired_one_refuses_to_connect() -> None:
    assert refusal(S.STOPPED, E.REFRESH_QR, has_device=True) == "SESSION_ALREADY_PAIRED"
    assert refusal(S.STOPPED, E.RECONNECT, has_device=False) == "SESSION_NOT_PAIRED"
    assert refusal(S.STOPPED, E.LOGOUT, has_device=False) == "SESSION_NOT_PAIRED"
    assert refusal(S.STOPPED, E.REFRESH_QR, has_device=False) is None
    assert refusal(S.STOPPED, E.RECONNECT, has_device=True) is None

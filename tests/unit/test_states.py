"""What each state means to a person, to the old column and to a Socket.IO client."""

from __future__ import annotations

import pytest

from contracts.states import (
    MEANINGS,
    PAIRING_STATES,
    RESTING_STATES,
    ClientConnection,
    LegacyStatus,
    SessionState,
    human_text,
)


def test_every_state_has_a_meaning() -> None:
    assert set(MEANINGS) == set(SessionState)


@pytest.mark.parametrize("state", [*SessionState])
def test_every_state_is_a_sentence_in_two_languages(state: SessionState) -> None:
    pt, en = human_text(state), human_text(state, "en")
    assert pt.endswith(".")
    assert en.endswith(".")
    assert pt != en
    assert pt[0].isupper()
    assert en[0].isupper()


def test_no_two_states_read_the_same() -> None:
    assert len({meaning.pt for meaning in MEANINGS.values()}) == len(SessionState)
    assert len({meaning.en for meaning in MEANINGS.values()}) == len(SessionState)


def test_a_language_that_is_not_spoken_reads_portuguese() -> None:
    assert human_text(SessionState.CONNECTED, "fr") == human_text(SessionState.CONNECTED, "pt")
    assert human_text(SessionState.CONNECTED, "en-GB") == human_text(SessionState.CONNECTED, "en")


def test_only_connected_reads_connected_in_the_old_column_and_open_on_the_socket() -> None:
    assert [s for s, m in MEANINGS.items() if m.status is LegacyStatus.CONNECTED] == [SessionState.CONNECTED]
    assert [s for s, m in MEANINGS.items() if m.connection is ClientConnection.OPEN] == [SessionState.CONNECTED]


def test_every_word_of_the_old_vocabulary_is_used() -> None:
    assert {meaning.status for meaning in MEANINGS.values()} == set(LegacyStatus)
    assert {status.value for status in LegacyStatus} == {"connecting", "connected", "disconnected", "duplicate"}


@pytest.mark.parametrize("state", sorted(RESTING_STATES | {SessionState.DELETED}))
def test_an_end_is_closed_to_clients(state: SessionState) -> None:
    assert MEANINGS[state].connection is ClientConnection.CLOSE
    assert MEANINGS[state].status in (LegacyStatus.DISCONNECTED, LegacyStatus.DUPLICATE)


@pytest.mark.parametrize("state", sorted(PAIRING_STATES | {SessionState.PAIRING, SessionState.RECONNECTING}))
def test_what_is_on_its_way_is_connecting(state: SessionState) -> None:
    assert MEANINGS[state].connection is ClientConnection.CONNECTING
    assert MEANINGS[state].status is LegacyStatus.CONNECTING


def test_the_values_are_the_ones_that_rows_and_clients_hold() -> None:
    assert [state.value for state in SessionState] == [
        "starting",
        "awaiting_scan",
        "pairing",
        "connected",
        "reconnecting",
        "qr_expired",
        "logged_out",
        "banned",
        "client_outdated",
        "duplicate",
        "stopped",
        "deleted",
    ]

"""The host against a real server: the unmodified library, the simulator, PostgreSQL."""

from __future__ import annotations

import pytest

from tests.e2e.adapter_fixtures import AdapterLab, lab

__all__ = ["lab"]


def test_messages_and_receipts_go_both_ways(lab: AdapterLab) -> None:
    lab.run("messages_both_ways")


def test_messages_come_in_the_order_in_which_they_were_sent(lab: AdapterLab) -> None:
    lab.run("many_messages_in_order")


def test_every_kind_of_message_is_sent_and_understood(lab: AdapterLab) -> None:
    lab.run("every_kind_of_message_arrives")


def test_a_lost_socket_comes_back_by_itself(lab: AdapterLab) -> None:
    lab.run("lost_socket_comes_back")


def test_a_first_dial_that_fails_is_tried_again(lab: AdapterLab) -> None:
    lab.run("first_dial_that_fails_is_tried_again")


@pytest.mark.parametrize(
    "ending",
    [
        "unlinked_on_the_phone",
        "banned_with_a_term",
        "banned_for_a_reason_the_library_does_not_know",
        "client_outdated",
        "replaced_elsewhere",
        "logged_out_at_login",
    ],
)
def test_an_end_is_typed_and_nothing_follows_it(lab: AdapterLab, ending: str) -> None:
    lab.run(ending)


def test_a_session_stopped_in_the_middle_of_back_off_never_dials_again(lab: AdapterLab) -> None:
    lab.run("stop_in_the_middle_of_back_off_is_for_good")


def test_a_session_can_be_stopped_while_the_server_does_not_answer(lab: AdapterLab) -> None:
    lab.run("stop_while_the_server_does_not_answer")


def test_keys_move_from_holder_to_holder_without_two_sockets(lab: AdapterLab) -> None:
    lab.run("keys_move_to_the_next_holder")


def test_a_graceful_stop_loses_no_message(lab: AdapterLab) -> None:
    lab.run("graceful_stop_loses_no_message")


def test_logging_out_unlinks_the_device(lab: AdapterLab) -> None:
    lab.run("logout_unlinks_and_removes_the_keys")


def test_a_send_without_an_answer_has_an_unknown_outcome(lab: AdapterLab) -> None:
    lab.run("send_without_an_answer_is_unknown")


def test_a_send_that_cannot_leave_is_refused(lab: AdapterLab) -> None:
    lab.run("unknown_number_is_refused")

"""The supervisor's small pieces: back-off, logs, state, the lock, ports, passwords."""

import os
import socket
import stat
from pathlib import Path

import pytest

from entrypoints import os_user, part_logs, ports, role_passwords, stack_folder
from entrypoints.backoff import Backoff
from entrypoints.settings import ROLES
from entrypoints.stack_folder import AlreadyRunningError, StackFolder
from entrypoints.stack_state import Addresses, ProcessStatus, RunOptions, StackState, read_state
from entrypoints.supervised import how_it_ended

ADDRESSES = Addresses("http://127.0.0.1:3000", "127.0.0.1:7233", "http://127.0.0.1:8233", None)
OPTIONS = RunOptions(False, 1, 3000, 7233, 8233, 4000)


def test_delays_double_up_to_the_most() -> None:
    backoff = Backoff()
    assert [backoff.delay_after(1) for _ in range(8)] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_a_part_that_lived_long_enough_starts_again_at_the_first_delay() -> None:
    backoff = Backoff()
    for _ in range(6):
        backoff.delay_after(1)
    assert backoff.delay_after(31) == 0.2
    assert backoff.delay_after(1) == 0.4


def test_a_short_log_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_text("one\n")
    assert not part_logs.rotate(log, most_bytes=100)
    assert not part_logs.rotate(tmp_path / "absent.log")


def test_a_long_log_moves_up_and_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    with log.open("a") as writer:
        for number in range(5):
            writer.write(f"{number}\n")
            writer.flush()
            assert part_logs.rotate(log, most_bytes=1, kept=3)
        writer.write("last\n")
        writer.flush()
    assert log.read_text() == "last\n"
    assert [part_logs.numbered(log, n).read_text() for n in (1, 2, 3)] == ["4\n", "3\n", "2\n"]
    assert not part_logs.numbered(log, 4).exists()


def test_the_last_lines_come_without_line_ends(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_bytes(b"one\ntwo\nthr\xffee")
    assert part_logs.last_lines(log, 2) == ["two", "thr\ufffdee"]
    assert part_logs.last_lines(log, 0) == []
    assert part_logs.last_lines(tmp_path / "absent.log", 5) == []


def test_following_gives_whole_new_lines_even_after_the_log_was_emptied(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_text("old\n")
    following = part_logs.follow([log], poll_seconds=0.001)
    _append(log, "first\nsec")
    assert next(following) == (log, "first")
    _append(log, "ond\n")
    assert next(following) == (log, "second")
    log.write_text("x\n")
    assert next(following) == (log, "x")


def _append(log: Path, text: str) -> None:
    with log.open("a") as writer:
        writer.write(text)


def test_the_state_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path, simulated=False)
    folder.create()
    process = ProcessStatus("api", "api", 12, "ready", 0)
    state = StackState(1, "running", OPTIONS, ADDRESSES, [process])
    assert read_state(tmp_path) is None
    state.write(folder.state_file)
    assert read_state(tmp_path) == state


def test_the_status_document_has_exactly_the_promised_shape() -> None:
    process = ProcessStatus("worker-1", "worker", 12, "ready", 2)
    document = StackState(1, "running", OPTIONS, ADDRESSES, [process]).status_json()
    assert document == {
        "ready": True,
        "addresses": {
            "api": "http://127.0.0.1:3000",
            "temporal": "127.0.0.1:7233",
            "temporalUi": "http://127.0.0.1:8233",
            "simulator": None,
        },
        "processes": [{"name": "worker-1", "kind": "worker", "pid": 12, "state": "ready", "restarts": 2}],
    }


@pytest.mark.parametrize("state", ["waiting", "starting", "unhealthy", "restarting", "stopping", "stopped"])
def test_a_stack_with_a_part_that_is_not_ready_is_not_ready(state) -> None:
    process = ProcessStatus("api", "api", 12, state, 0)
    assert not StackState(1, "running", OPTIONS, ADDRESSES, [process]).ready


def test_a_data_folder_is_held_by_one_process_only(tmp_path: Path) -> None:
    assert stack_folder.holder(tmp_path) is None
    with stack_folder.held(tmp_path):
        assert stack_folder.holder(tmp_path) == os.getpid()
        with pytest.raises(AlreadyRunningError), stack_folder.held(tmp_path, patience_seconds=0):
            pass
    assert stack_folder.holder(tmp_path) is None


def test_a_long_folder_gets_its_socket_under_a_short_one(tmp_path: Path) -> None:
    short = StackFolder(Path("/srv/p"), simulated=False)
    assert short.socket_folder() == Path("/srv/p/run/postgres")
    one = StackFolder(tmp_path / ("x" * 100), simulated=False).socket_folder()
    other = StackFolder(tmp_path / ("y" * 100), simulated=False).socket_folder()
    assert one != other
    assert len(str(one / ".s.PGSQL.5432")) < stack_folder.MOST_SOCKET_PATH_BYTES


def test_the_two_worlds_never_share_what_lasts(tmp_path: Path) -> None:
    real, simulated = StackFolder(tmp_path, simulated=False), StackFolder(tmp_path, simulated=True)
    for name in ("postgres", "temporal", "secrets"):
        assert getattr(real, name) != getattr(simulated, name)


def test_a_taken_port_is_refused_by_number_variable_and_holder() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with pytest.raises(ports.PortTakenError) as refused:
            ports.claim("127.0.0.1", port, "PERENE_API_PORT")
    assert str(port) in str(refused.value)
    assert "PERENE_API_PORT" in str(refused.value)
    assert "pid" in str(refused.value)
    assert ports.claim("127.0.0.1", port, "PERENE_API_PORT") == port


def test_port_zero_gives_a_free_one() -> None:
    assert ports.is_free("127.0.0.1", ports.claim("127.0.0.1", 0, "PERENE_API_PORT"))


def test_passwords_are_made_once_and_readable_by_their_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "postgres.json"
    passwords = role_passwords.load_or_create(file)
    assert set(passwords) == {"postgres", *ROLES}
    assert len(set(passwords.values())) == len(passwords)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert role_passwords.load_or_create(file) == passwords


def test_an_ending_is_told_in_words() -> None:
    assert how_it_ended(-9) == "was ended by SIGKILL"
    assert how_it_ended(3) == "ended with exit code 3"


def test_the_way_to_the_database_is_opened_for_passing_and_not_for_listing(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    inner = closed / "inner"
    inner.mkdir(parents=True)
    closed.chmod(0o700)
    assert closed in os_user.open_the_way(inner)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o701
    assert os_user.open_the_way(inner) == []
    assert stat.S_IMODE(inner.stat().st_mode) & 0o700 == 0o700

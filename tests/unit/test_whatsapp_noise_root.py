"""The pinned Noise root is replaced for a simulator on loopback, and for nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from whatsapp.library import library_path, process_environment
from whatsapp.noise_root import PINNED, NoiseRootRefused, is_loopback_proxy, replace_noise_root

KEY = bytes(range(32))
_IN_A_PROCESS = """
import sys
from whatsapp.library import Simulator, load
from whatsapp.noise_root import NoiseRootRefused
load(Simulator("http://127.0.0.1:1", bytes(range(32))))
load(Simulator("http://127.0.0.1:1", bytes(range(32))))
try:
    load(Simulator("http://127.0.0.1:1", bytes(32)))
except NoiseRootRefused as refused:
    print(refused)
"""


@pytest.mark.parametrize(
    "proxy",
    [
        None,
        "",
        "http://10.0.0.1:3128",
        "http://localhost:1",
        "http://127.0.0.1.evil.example:1",
        "http://[::ffff:8.8.8.8]:1",
        "socks5://0.0.0.0:1",
        "nonsense",
    ],
)
def test_only_a_loopback_address_will_do(proxy: str | None) -> None:
    assert not is_loopback_proxy(proxy)
    with pytest.raises(NoiseRootRefused, match="loopback"):
        replace_noise_root(library_path(), KEY, proxy)


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:4000", "http://127.9.9.9:1", "http://[::1]:4000"])
def test_loopback_addresses_are_recognised(proxy: str) -> None:
    assert is_loopback_proxy(proxy)


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(NoiseRootRefused, match="32 bytes"):
        replace_noise_root(library_path(), b"short", "http://127.0.0.1:1")


def test_a_library_that_is_not_loaded_is_refused() -> None:
    with pytest.raises(NoiseRootRefused, match="not loaded"):
        replace_noise_root(Path("/nowhere/neonize.so"), KEY, "http://127.0.0.1:1")


def test_the_key_is_replaced_in_memory_once_and_never_on_disk() -> None:
    before = library_path().read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", _IN_A_PROCESS],
        env=process_environment({"PATH": "/usr/bin:/bin"}),
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert "stands 0 times" in done.stdout
    assert library_path().read_bytes() == before
    assert before.count(PINNED) == 1


def test_a_process_that_was_not_started_for_the_library_is_told_so() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os; os.environ['NEONIZE_BOT_TAG'] = 'off'\nfrom whatsapp.library import load; load()",
        ],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert done.returncode != 0
    assert "NEONIZE_BOT_TAG=off" in done.stderr


def test_an_entry_point_can_start_itself_anew_for_the_library() -> None:
    code = (
        "from whatsapp.library import ensure_process_environment, load;"
        "ensure_process_environment(); load(); print('ok')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert (done.returncode, done.stdout.strip()) == (0, "ok"), done.stderr


def test_the_library_is_used_without_the_client_around_it() -> None:
    code = (
        "import sys, whatsapp.hosting, whatsapp.pairing, logging;"
        "print([m for m in ('neonize', 'neonize.client', 'magic', 'requests') if m in sys.modules]);"
        "print(logging.getLogger().handlers)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]

"""`perene doctor`: check this machine and say what to do."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import aiohttp
import psutil

from entrypoints import leftovers, ports, stack_folder
from entrypoints.console import say, say_json
from entrypoints.os_user import USER
from entrypoints.part import PartError, installed_binary
from entrypoints.postgres_part import binaries
from entrypoints.settings import StackSettings

Verdict = Literal["ok", "warn", "fail"]

LEAST_PYTHON = (3, 11)
WHATSAPP_URL = "https://web.whatsapp.com/"
GIGABYTE = 1_000_000_000
PROGRAM_SECONDS = 90.0
NETWORK_SECONDS = 10.0
LEAST_FILES = 4096
CLOCK_WARN_SECONDS, CLOCK_FAIL_SECONDS = 30.0, 300.0


@dataclass(frozen=True)
class Finding:
    """One line of the report; `advice` says what to do where not all is well."""

    check: str
    verdict: Verdict
    detail: str
    advice: str = ""


def doctor(settings: StackSettings, *, as_json: bool) -> int:
    """Print every finding; exit code 1 if one of them is a failure."""
    findings: list[Finding] = []
    for finding in _findings(settings):
        findings.append(finding)
        if not as_json:
            advice = f"; {finding.advice}" if finding.advice else ""
            say(f"{finding.verdict:<4}  {finding.check:<14} {finding.detail}{advice}")
    failed = any(finding.verdict == "fail" for finding in findings)
    if as_json:
        say_json({"ok": not failed, "checks": [asdict(finding) for finding in findings]})
    return 1 if failed else 0


def _findings(settings: StackSettings) -> Iterator[Finding]:
    yield _python()
    yield from (_package(name) for name in ("perene", "temporalio", "neonize"))
    yield _program("postgresql", lambda: [str(binaries() / "postgres"), "--version"])
    yield _program("temporal", lambda: [installed_binary("temporal"), "--version"])
    yield _program("dbmate", lambda: [installed_binary("dbmate"), "--version"])
    # In a process of its own: a Go library that does not fit this machine aborts whoever loads it.
    code = "import pylibmagic, neonize.client; print('loads')"
    yield _program("whatsapp lib", lambda: [sys.executable, "-P", "-W", "ignore", "-c", code])
    yield _running(settings.data_dir)
    yield from _ports(settings)
    yield _writable(settings.data_dir)
    yield _disk(settings.data_dir)
    yield _memory()
    yield _open_files()
    yield _os_user()
    yield from asyncio.run(_network_and_clock())


def _python() -> Finding:
    found = sys.version.split()[0]
    if sys.version_info < LEAST_PYTHON:
        return Finding("python", "fail", found, "Perene needs Python 3.11 or later")
    return Finding("python", "ok", f"{found} on {sys.platform}")


def _package(name: str) -> Finding:
    try:
        return Finding(name, "ok", version(name))
    except PackageNotFoundError:
        return Finding(name, "fail", "not installed", "run `make setup`")


def _program(check: str, command: Callable[[], list[str]]) -> Finding:
    try:
        done = subprocess.run(command(), capture_output=True, text=True, timeout=PROGRAM_SECONDS, check=False)
    except (PartError, OSError, subprocess.TimeoutExpired) as problem:
        return Finding(check, "fail", str(problem), "run `make setup` again")
    lines = (done.stdout or done.stderr).strip().splitlines() or [""]
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or lines)[-1]
        return Finding(check, "fail", f"ended with {done.returncode}: {last}", "run `make setup` again")
    return Finding(check, "ok", lines[-1])


def _running(data_dir: Path) -> Finding:
    pid = stack_folder.holder(data_dir)
    if pid is not None:
        return Finding("stack", "ok", f"runs in {data_dir} (pid {pid})")
    left = leftovers.find(data_dir)
    if left:
        names = ", ".join(str(process.pid) for process in left)
        return Finding(
            "stack", "warn", f"an earlier run left processes: {names}", "`perene up` or `perene down` ends them"
        )
    return Finding("stack", "ok", f"does not run in {data_dir}")


def _ports(settings: StackSettings) -> Iterator[Finding]:
    ours = {process.pid for process in leftovers.find(settings.data_dir)}
    for variable, host, port in (
        ("PERENE_API_PORT", settings.api_host, settings.api_port),
        ("PERENE_TEMPORAL_PORT", "127.0.0.1", settings.temporal_port),
        ("PERENE_TEMPORAL_UI_PORT", "127.0.0.1", settings.temporal_ui_port),
        ("PERENE_SIMULATOR_PORT", "127.0.0.1", settings.simulator_port),
    ):
        check = f"port {port}"
        if port == 0 or ports.is_free(host, port):
            yield Finding(check, "ok", f"free ({variable})")
            continue
        holder = ports.holder_of(port)
        if holder is not None and any(f"(pid {pid})" in holder for pid in ours):
            yield Finding(check, "ok", f"used by this stack: {holder}")
        else:
            by = f"taken by {holder}" if holder else "taken"
            yield Finding(check, "fail", by, f"stop that, or set {variable} to another port")


def _writable(data_dir: Path) -> Finding:
    folder = _nearest(data_dir)
    try:
        with tempfile.TemporaryFile(dir=folder):
            return Finding("folder", "ok", f"{data_dir} can be written")
    except OSError as problem:
        return Finding("folder", "fail", str(problem), "give this user the folder, or set PERENE_DATA_DIR to another")


def _disk(data_dir: Path) -> Finding:
    free = shutil.disk_usage(_nearest(data_dir)).free / GIGABYTE
    detail = f"{free:.1f} GB free"
    if free < 0.3:
        return Finding("disk", "fail", detail, "PostgreSQL stops when the disk is full; make room")
    if free < 2:
        return Finding("disk", "warn", detail, "make room soon: 2 GB or more should be free")
    return Finding("disk", "ok", detail)


def _memory() -> Finding:
    available = psutil.virtual_memory().available / GIGABYTE
    detail = f"{available:.1f} GB available"
    if available < 0.7:
        return Finding("memory", "warn", detail, "the whole stack takes about 0.7 GB; close something")
    return Finding("memory", "ok", detail)


def _open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < LEAST_FILES:
        return Finding(
            "open files", "warn", f"limit {soft} (most {hard})", f"`ulimit -n {LEAST_FILES}` before many sessions"
        )
    return Finding("open files", "ok", "no limit" if soft == resource.RLIM_INFINITY else f"limit {soft}")


def _os_user() -> Finding:
    if os.geteuid() != 0:
        return Finding("user", "ok", "not root")
    return Finding("user", "ok", f"root; PostgreSQL runs as the user {USER}")


async def _network_and_clock() -> list[Finding]:
    """One request tells both: whether WhatsApp is reached, and how far this clock is from its."""
    try:
        async with (
            # trust_env: through HTTPS_PROXY where one is set, as the WhatsApp library itself does.
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=NETWORK_SECONDS), trust_env=True) as session,
            session.head(WHATSAPP_URL, allow_redirects=False) as response,
        ):
            date = response.headers.get("Date")
    except (aiohttp.ClientError, TimeoutError, OSError) as problem:
        detail = f"web.whatsapp.com:443 is not reached ({type(problem).__name__})"
        advice = "connections will keep trying; `perene up --simulator` needs no network"
        return [Finding("network", "warn", detail, advice), _clock_by_files()]
    reached = Finding("network", "ok", "web.whatsapp.com:443 is reached")
    if date is None:
        return [reached, _clock_by_files()]
    apart = abs((datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds())
    detail, advice = f"{apart:.0f} s from WhatsApp's", "set it by NTP: codes and tokens expire by the clock"
    if apart > CLOCK_FAIL_SECONDS:
        return [reached, Finding("clock", "fail", detail, advice)]
    if apart > CLOCK_WARN_SECONDS:
        return [reached, Finding("clock", "warn", detail, advice)]
    return [reached, Finding("clock", "ok", detail)]


def _clock_by_files() -> Finding:
    """Without a network: a clock that stands before this file was installed is wrong."""
    now = datetime.now(UTC)
    if now.timestamp() < Path(__file__).stat().st_mtime - 86_400:
        return Finding("clock", "fail", f"{now:%Y-%m-%d %H:%M} UTC lies before the installation", "set it by NTP")
    return Finding("clock", "ok", f"{now:%Y-%m-%d %H:%M} UTC (not compared: no network)")


def _nearest(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())

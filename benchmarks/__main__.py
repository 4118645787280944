"""`make bench`: measure a fresh stack on the simulator, print a table, keep it in benchmarks/results/latency.json."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.latency import STEPS, measure

RESULTS = Path(__file__).resolve().parent / "results" / "latency.json"
PERENE = (sys.executable, "-m", "entrypoints.cli")


def main() -> None:
    """Start a stack on free ports in a temporary folder, measure, stop it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=50, help="connections to measure (default 50)")
    rounds = max(2, parser.parse_args().rounds)
    with tempfile.TemporaryDirectory(prefix="perene-bench-") as folder:
        ports = ("API", "TEMPORAL", "TEMPORAL_UI", "SIMULATOR")
        environment = {**os.environ, "PERENE_DATA_DIR": folder, **{f"PERENE_{name}_PORT": "0" for name in ports}}
        subprocess.run([*PERENE, "up", "--simulator", "--detach"], env=environment, check=True, stdout=sys.stderr)
        try:
            status = subprocess.run([*PERENE, "status", "--json"], env=environment, check=True, capture_output=True)
            addresses = json.loads(status.stdout)["addresses"]
            steps = asyncio.run(measure(addresses["api"], addresses["simulator"], rounds))
        finally:
            subprocess.run([*PERENE, "down"], env=environment, check=True, stdout=sys.stderr)
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({**machine, "rounds": rounds, "milliseconds": steps}, indent=2) + "\n")
    print(f"{'milliseconds':<48} {'p50':>8} {'p99':>8} {'max':>8}")  # noqa: T201
    for step, values in steps.items():
        print(f"{STEPS[step]:<48} {values['p50']:8.1f} {values['p99']:8.1f} {values['max']:8.1f}")  # noqa: T201


if __name__ == "__main__":
    main()

"""`python -m benchmarks.kill_table`: the README's table of kills, from the times that `make chaos` measured.

Reads `benchmarks/results/kills.json` and puts the table between the markers of each README. With `--check` it changes
nothing and exits with 1 where a README does not say what the file says.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "kills.json"
BEGIN, END = "<!-- kill-table:begin -->", "<!-- kill-table:end -->"
STATES = ("waiting for a scan", "right after a scan", "connected", "reconnecting")

WORDS: dict[str, dict[str, str]] = {
    "README.md": {
        "head": "killed with `kill -9`",
        "note": "Seconds from the kill until the session is where it should be, without a second scan; {machine}.",
        "machine": "{cores} cores, one worker process",
    },
    "README.pt-BR.md": {
        "head": "morto com `kill -9`",
        "note": "Segundos entre o kill e a sessão estar onde devia, sem novo QR code; {machine}.",
        "machine": "{cores} núcleos, um processo worker",
        "waiting for a scan": "aguardando a leitura",
        "right after a scan": "logo após a leitura",
        "connected": "conectada",
        "reconnecting": "reconectando",
        "API": "API",
        "all at once": "todos de uma vez",
    },
}


def table(results: dict[str, Any], words: dict[str, str]) -> str:
    """The table in Markdown, in the language of `words`."""
    comma = "," if words is WORDS["README.pt-BR.md"] else "."
    lines = [
        "| " + " | ".join([words["head"], *(words.get(state, state) for state in STATES)]) + " |",
        "|---|" + "---:|" * len(STATES),
    ]
    for killed, times in results["kills"].items():
        cells = [f"{times[state]:.1f}".replace(".", comma) for state in STATES]
        lines.append("| " + " | ".join([words.get(killed, killed), *cells]) + " |")
    machine = words["machine"].format(cores=results["cores"])
    return "\n".join([*lines, "", words["note"].format(machine=machine)])


def with_table(document: str, content: str) -> str:
    """The document with `content` between its markers. Raises ValueError where it has none."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{content}\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Render, or check; an exit code."""
    results = json.loads(RESULTS.read_text())
    stale = False
    for name, words in WORDS.items():
        file = ROOT / name
        document = file.read_text()
        rendered = with_table(document, table(results, words))
        if rendered == document:
            continue
        if "--check" in arguments:
            print(f"{name} does not show benchmarks/results/kills.json; run: python -m benchmarks.kill_table")  # noqa: T201
            stale = True
        else:
            file.write_text(rendered)
    return int(stale)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What the documents promise exists: paths, variables, commands."""

import re
from pathlib import Path

import pytest

from entrypoints import settings

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = ["README.md", "README.pt-BR.md", "CONTRIBUTING.md", "SECURITY.md"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_relative_link_leads_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / name).read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_documented_variable_is_read_by_the_settings(name: str) -> None:
    known = set(re.findall(r'"(PERENE_\w+)"', Path(settings.__file__).read_text()))
    assert set(re.findall(r"PERENE_[A-Z_]+", (ROOT / name).read_text())) <= known


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_documented_make_target_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z0-9-]+)", (ROOT / name).read_text(), re.MULTILINE)) <= targets


def test_every_module_named_in_contributing_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    table = text[text.index("| module in") :]
    modules = re.findall(r"`(\w+\.py)`", table)
    assert modules
    assert [module for module in modules if not (ROOT / "entrypoints" / module).exists()] == []

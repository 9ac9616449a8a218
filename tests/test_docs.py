"""The documentation keeps its word: links lead somewhere, commands and targets exist, files in it are good."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from lakeward.adapters.connections import from_json, from_uri
from lakeward.adapters.iceberg.properties import properties_from
from lakeward.cli.app import app
from lakeward.steps.check import check_file

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(p for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|<img [^>]*src=\"([^\"]+)\"")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TARGET = re.compile(r"(?:^|`|&& )make ((?:[A-Z_]+=\S+ )*)([a-z]+)\b", re.MULTILINE)


def each(*pages: Path) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", pages or PAGES, ids=lambda p: str(p.relative_to(ROOT)))


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def blocks(page: Path, *languages: str) -> Iterator[str]:
    for language, text in FENCE.findall(page.read_text()):
        if language in languages:
            yield text


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", h).lower()).replace(" ", "-") for h in heads
    }


@each()
def test_links_lead_somewhere(page: Path) -> None:
    for found in LINK.finditer(prose(page)):
        target = found[1] or found[2]
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        whole = (page.parent / path).resolve() if path else page
        assert whole.exists(), f"{target} leads nowhere"
        assert whole.is_relative_to(ROOT)
        if anchor:
            assert anchor in anchors(whole), f"{target}: there is no such heading"


def spoken(page: Path) -> Iterator[list[str]]:
    """Every `lakeward ...` in code, as words; `up | down` becomes several."""
    text = page.read_text()
    code = [line for _, block in FENCE.findall(text) for line in block.splitlines()]
    code += re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    for line in code:
        for found in re.finditer(r"(?:^|[\s($;])(?:\.venv/bin/)?lakeward ([a-z][^`#;>)]*)", line):
            yield shlex.split(re.sub(r"[\[\]]", " ", found[1]).rstrip('"'))


def command_of(words: list[str]) -> tuple[TyperCommand | TyperGroup, list[str]]:
    """The command that the words call, and the words that are left."""
    command, left = get_command(app), list(words)
    while left and isinstance(command, TyperGroup):
        found = command.commands.get(left[0])
        assert found, f"there is no command lakeward {' '.join(words)}"
        command, left = found, left[1:]
    return command, left


@each()
def test_commands_exist_with_their_options(page: Path) -> None:
    for words in spoken(page):
        command, left = command_of(words)
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        for option in (w for w in left if w.startswith("--")):
            assert option in known, f"lakeward {' '.join(words)}: there is no {option}"


@each()
def test_make_targets_exist(page: Path) -> None:
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for found in TARGET.finditer(page.read_text()):
        assert found[2] in known, f"there is no make {found[2]}"


@each()
def test_whole_migration_files_are_good(page: Path, tmp_path: Path) -> None:
    for number, text in enumerate(blocks(page, "yaml", "yml")):
        if re.search(r"^migration:", text, re.MULTILINE):
            file = tmp_path / f"{number}.yaml"
            file.write_text(text)
            check_file(file)
        else:
            yaml.safe_load(text)


@each()
def test_connections_are_read(page: Path) -> None:
    whole = [text for text in blocks(page, "json") if '"conn_type"' in text]
    for text in [*whole, *blocks(page, "sh")]:
        found = [text] if text in whole else re.findall(r"AIRFLOW_CONN_\w+='(.*?)'", text, re.DOTALL)
        for value in found:
            connection = from_json("x", value) if value.lstrip().startswith("{") else from_uri("x", value)
            assert connection.conn_type in {"postgres", "iceberg", "aws", "generic"}
            if connection.conn_type == "iceberg":
                properties = properties_from(connection)
                assert properties["uri"].startswith(("https://", "postgresql+psycopg://"))
                assert properties["warehouse"]
                if properties.get("rest.sigv4-enabled") == "true":
                    assert properties["client.secret-access-key"] == properties["s3.secret-access-key"]


@each(ROOT / "docs" / "aistor.md")
def test_aistor_connections_in_short_and_in_full_are_the_same(page: Path) -> None:
    full = next(t for t in blocks(page, "json") if '"s3.path-style-access"' in t)
    short, uri = (
        re.search(r"AIRFLOW_CONN_LAKEHOUSE='(.*?)'", t, re.DOTALL)[1] for t in blocks(page, "sh") if "LAKEHOUSE" in t
    )
    said = properties_from(from_json("lakehouse", full))
    left_out = {"s3.path-style-access", "s3.force-virtual-addressing"}
    for other in (properties_from(from_json("lakehouse", short)), properties_from(from_uri("lakehouse", uri))):
        assert {k: v for k, v in said.items() if k not in left_out} == other
    for policy in (t for t in blocks(page, "json") if '"Statement"' in t):
        assert json.loads(policy)["Version"] == "2012-10-17"


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        for found in LINK.finditer(prose(page)):
            path = (page.parent / (found[1] or found[2]).partition("#")[0]).resolve()
            if path.suffix == ".md" and path.exists() and path.is_relative_to(ROOT):
                waiting.append(path)
    assert not set(PAGES) - seen


def test_decision_records_are_numbered_and_whole() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("0*.md"))
    assert [int(r.name[:4]) for r in records] == list(range(1, len(records) + 1))
    for record in records:
        text = record.read_text()
        assert text.startswith(f"# {record.name[:4]}: ")
        for part in ("**Status:**", "**Context.**", "**Decision.**", "**Consequences.**"):
            assert part in text, f"{record.name} has no {part}"


def test_pre_commit_needs_no_network() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert all(hook["language"] == "system" and hook["entry"].startswith(".venv/bin/") for hook in hooks)
    lint = (ROOT / "Makefile").read_text()
    for tool in ("ruff check", "ruff format --check", "mypy", "lint-imports"):
        assert tool in lint
        assert any(tool in hook["entry"] for hook in hooks)


def test_the_licence_is_apache_2() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text()

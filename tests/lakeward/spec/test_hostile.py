"""Migration files that nobody should write: refused in bounded time and memory, and never obeyed by a terminal."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lakeward.errors import SpecError
from lakeward.steps.check import check_file

BASE = """version: 1
migration: shop
pattern: lift_and_shift
source: {connection: src}
target: {connection: lakehouse, namespace: shop}
landing: {path: ./landing}
groups:
  - name: sales
    tables:
      - table: orders
        sort: [id]
kpis:
  - {name: revenue, table: orders, measure: sum(total), date: ordered_at}
calendar: {time_zone: Europe/Zurich}
"""
TABLES = "      - table: orders\n"


def changed(old: str, new: str) -> str:
    assert old in BASE
    return BASE.replace(old, new, 1)


def aliases() -> str:
    rows = [f"x{n}: &{chr(97 + n)} [{', '.join([f'*{chr(96 + n)}'] * 10)}]" for n in range(1, 10)]
    return "\n".join(["x0: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]", *rows, BASE])


def merges() -> str:
    keys = ", ".join(f"k{n}: 1" for n in range(20_000))
    return f"x: &x {{{keys}}}\ny:\n" + "  - {<<: *x}\n" * 9_000 + BASE


def refused(folder: Path, text: str | bytes) -> str:
    path = folder / "x.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SpecError) as told:
        check_file(path)
    return str(told.value).replace(str(path), "x.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (changed("    tables:", "\ttables:"), "x.yaml:9:1: a tab; YAML is indented with blanks"),
        (changed("    tables:", "   tables:"), "x.yaml:9:4: this is no YAML"),
        (changed("version: 1", "version: 1\nversion: 1"), "x.yaml:2:1: the key `version` stands twice"),
        ("", "x.yaml:1:1: the file is empty"),
        ("# only a comment\n", "the file is empty"),
        ("- a\n- b\n", "x.yaml:1:1: the top level must be"),
        (BASE.encode() + b"# caf\xe9\n", "x.yaml:15: this is no UTF-8 (byte 0xe9)"),
        (BASE.encode("utf-16"), "this is no UTF-8"),
        (changed("orders", "ord\0ers"), "a character that YAML does not allow"),
        (changed("sum(total)", "median(total)"), "'median(total)' is no measure: sum, count"),
        (changed("sum(total)", f"sum(total{' + total' * 20_000})"), "500 are the most"),
        (changed("sum(total)", f"sum({'(' * 200}total{')' * 200})"), "nested deeper than 50"),
        (changed("[id]", "[id]\n        types: {a: 'decimal(39,2)'}"), "a decimal has 1 to 38 digits"),
        (changed("{connection: src}", "{connection: src, max_snapshot_age: 99999999999999d}"), "is not of the form 2h"),
        (changed("namespace: shop", "namespace: shop, file_size: 9999999999999GB"), "is not of the form 128MB"),
        (changed("{connection: src}", f"{{connection: src, readers: {'9' * 5000}}}"), "a number of more than 400 digits"),
        (changed("[id]", "[id]\n        filter: [{column: x, value: 1e999999999}]"), "a number of more than 400 digits"),
        (changed("Europe/Zurich", "Mars/Olympus"), "'Mars/Olympus' is no IANA time zone"),
        (changed("Europe/Zurich", "europe/zurich"), "such as Europe/Zurich"),
        (changed("Europe/Zurich", "localtime"), "'localtime' is no IANA time zone"),
        (changed("Europe/Zurich}", "UTC, week_starts: Montag}"), "Did you mean `monday`?"),
        (changed("[id]", "[id]\n        partition: [week(id)]"), "'week(id)' is not of the form"),
        (changed("name: sales", "name: 12"), "text is expected here, not `12`. Put it in quotes."),
        (changed("date: ordered_at", "date: 2026-01-01"), "text is expected here, not `2026-01-01`"),
        (changed("version: 1", "version: 01"), "`01` is not known here"),
        (changed(TABLES, f'{TABLES}      - table: Orders\n'), "two tables of the lake would be called `orders`"),
        (changed("[id]", "[id]\n        rename: {a: X, b: x}"), "are both renamed to `x`"),
        (f"{BASE}x: {'[' * 5000}{']' * 5000}\n", "nested more than 40 levels deep"),
        (f"{BASE}x: &x [*x]\n", "the alias `*x` contains itself"),
        (f"{BASE}x: !!python/object/apply:os.system [id]\n", "is refused. Write plain values"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(tmp_path: Path, text: str | bytes, said: str) -> None:
    told = refused(tmp_path, text)
    assert said in told
    assert len(told) < 5000


@pytest.mark.parametrize("text", ["no", "on", "yes", "12:30:00", "0o17", "0x1f", "1_000"])
def test_words_that_older_yaml_takes_for_something_else_are_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(changed("[id]", f"[{text}]"))
    assert check_file(path).spec.groups[0].tables[0].sort == (text,)


@pytest.mark.parametrize(
    "text",
    [
        changed("name: revenue", r'name: "\e[31mred\e[0m\a"'),
        changed("name: revenue", r'name: "a\x9b31mb\u2028c\u200bd\u202e"'),
        changed("migration: shop", r'migration: "shop\e]0;title\a"'),
        changed("version: 1", 'version: 1\n"\\e[2J\\nx.yaml: good": 1'),
        changed("table: orders", 'table: "a.b.c\\nx.yaml: good\\e[2J"'),
        changed("table: orders", 'table: "\x1b[2Jorders"'),
    ],
)
def test_a_terminal_shows_and_does_not_obey(tmp_path: Path, text: str) -> None:
    told = refused(tmp_path, text)
    assert not re.search(r"[^\n\t -~´-⅏]", told)
    assert not [line for line in told.splitlines() if line.startswith("x.yaml: good")]


TABLES_6K = "".join(f"      - table: t{n}\n" for n in range(6_000))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(aliases(), "when its aliases are written out", id="aliases"),
        pytest.param(merges(), "merges more than 100,000 keys", id="merged"),
        pytest.param(changed(TABLES, "".join(f"      - table: t{n}\n" for n in range(100_000)) + TABLES), "holds more than 100,000 values", id="tables"),
        pytest.param(changed(TABLES, TABLES + TABLES_6K), "good", id="many tables"),
        pytest.param(BASE + "".join(f"k{n}: 1\n" for n in range(40_000)), "100 problems or more", id="problems"),
        pytest.param(changed("kpis:\n", "kpis:\n" + "".join(f"  - {{name: k{n}, table: o{n}, measure: sum(x)}}\n" for n in range(6_000))), "or more", id="kpis"),
        pytest.param(changed("        sort: [id]\n", "        flatten:\n          - column: p\n            fields:\n" + "".join(f"              a{n}.b: string\n" for n in range(10_000))), "good", id="fields"),
        pytest.param(f"{BASE}description: {'x' * 9_900_000}\n", "good", id="text"),
        pytest.param("#" * 10_000_001, "larger than 10 MB", id="larger"),
    ],
)  # fmt: skip
def test_large_files_are_read_or_refused_soon_and_in_little_memory(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    began = time.monotonic()
    limited = "import resource as r; r.setrlimit(r.RLIMIT_AS, (2 * 10**9,) * 2); from lakeward.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", limited, "check", str(path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert time.monotonic() - began < 60
    assert done.returncode == (0 if said == "good" else 2), done.stderr[-2000:]
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr

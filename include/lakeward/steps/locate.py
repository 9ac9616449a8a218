"""Bisect two sides of a table down to the rows that differ: buckets by fingerprints, then keys, then cells; only these leave the source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakeward.domain.evidence import Finding
from lakeward.domain.facts import TablePlan
from lakeward.domain.row_classes import Known
from lakeward.domain.row_findings import pair, source_types
from lakeward.domain.rows import (
    EXPECTED,
    FOUND,
    HASH,
    Rows,
    Within,
    apart_sql,
    cells_sql,
    differing_sql,
    figures_sql,
    hashes_sql,
    sums_sql,
)
from lakeward.errors import SourceError
from lakeward.ports import Engine, Input

if TYPE_CHECKING:
    import pyarrow as pa

HANDED_OUT = 200_000
"""Keys with their hashes that a side hands out at most, whatever the table's size."""
KEYS = 10_000
"""Differing rows that are looked at; more are told to be there."""
DEPTHS = 3

Run = Callable[[str], "pa.Table"]


@dataclass(frozen=True, slots=True)
class Side:
    """Rows and what runs SQL over them."""

    rows: Rows
    run: Run


@dataclass(frozen=True, slots=True)
class Located:
    """The rows that differ. ``whole``: all of them; else there are more. ``queries``: how often the first side was asked."""

    findings: tuple[Finding, ...]
    whole: bool
    queries: int


def local(engine: Engine, inputs: Mapping[str, Input]) -> Run:
    """Runs SQL over files."""
    return lambda sql: engine.table(sql, inputs)


def locate(
    expected: Side,
    found: Side,
    engine: Engine,
    plan: TablePlan,
    known: Known,
    blank: Finding,
    figures: tuple[Input, Input] | None = None,
) -> Located:
    """What differs between two sides of a table.

    :param blank: a finding with all that these have in common.
    :param figures: fingerprints of both sides at depth 0, where they are known; else they are taken.
    :raises SourceError: the first side does not give the same rows twice.
    """
    asked = _Counted(expected.run)
    within, told = _narrow(asked, expected.rows, found, engine, figures)
    if not within:
        return Located((), whole=True, queries=asked.queries)
    given, there = asked(hashes_sql(expected.rows, within)), found.run(hashes_sql(found.rows, within))
    _steady(engine, given, told, plan)
    inputs: dict[str, Input] = {EXPECTED: given, FOUND: there}
    keys = engine.table(apart_sql(expected.rows.table, KEYS + 1), inputs).to_pylist()
    names = expected.rows.table.key or (HASH,)
    wanted = [tuple(None if key[n] is None else str(key[n]) for n in names) for key in keys[:KEYS]]
    if not wanted:
        return Located((), whole=True, queries=asked.queries)
    cells = [
        run(cells_sql(rows, wanted)).to_pylist() for run, rows in ((asked, expected.rows), (found.run, found.rows))
    ]
    findings = pair(expected.rows, cells[0], cells[1], blank, source_types(expected.rows), known)
    complete = len(keys) <= KEYS and all(len(b.taken) == b.differing for b in told)
    return Located(findings, complete, asked.queries)


class _Counted:
    """Counts the queries of a side."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.queries = 0

    def __call__(self, sql: str) -> pa.Table:
        self.queries += 1
        return self._run(sql)


@dataclass(frozen=True, slots=True)
class _Level:
    """Buckets that differ at one depth, and those that are followed, with the first side's rows and sums."""

    differing: int
    taken: Mapping[int, tuple[int, object]]


def _narrow(
    asked: _Counted, rows: Rows, found: Side, engine: Engine, figures: tuple[Input, Input] | None
) -> tuple[Within, list[_Level]]:
    """Buckets, deeper and deeper, until what is in them can be handed out."""
    within: Within = ()
    levels: list[_Level] = []
    for depth in range(DEPTHS):
        expected, other = figures or (
            asked(figures_sql(rows, depth, within)),
            found.run(figures_sql(found.rows, depth, within)),
        )
        figures = None
        differing = engine.table(differing_sql(), {EXPECTED: expected, FOUND: other}).to_pylist()
        if not differing:
            return (), levels
        chosen, size = [], 0
        for one in differing:
            size += max(int(one["expected_n"]), int(one["found_n"]))
            if size > HANDED_OUT:
                break
            chosen.append(one)
        enough = bool(chosen) or depth == DEPTHS - 1
        chosen = chosen or differing[:1]
        within = (*within, tuple(int(one["bucket"]) for one in chosen))
        levels.append(
            _Level(len(differing), {int(o["bucket"]): (int(o["expected_n"]), o["expected_fp"]) for o in chosen})
        )
        if enough:
            break
    return within, levels


def _steady(engine: Engine, given: pa.Table, levels: Sequence[_Level], plan: TablePlan) -> None:
    """Compare the first side with itself: what it handed out has the sums that it told before."""
    sums = {int(r["bucket"]): (int(r["n"]), r["fp"]) for r in engine.table(sums_sql(), {EXPECTED: given}).to_pylist()}
    if {b: told for b, told in levels[-1].taken.items() if told[0]} != sums:
        raise SourceError(
            f"{plan.label} does not give the same rows twice in one snapshot, so that nothing can be told from differences.",
            todo="Look for random(), clock_timestamp() or an unsteady order in the view, and `drop` that column.",
        )

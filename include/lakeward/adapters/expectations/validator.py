"""The validator: first whether each rule holds, by as few scans as can be; then detail for those that don't."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from lakeward.adapters.duck_setup import connect, use_storage
from lakeward.adapters.expectations.compiled import as_unexpected_rows, orphans, sharing
from lakeward.adapters.expectations.views import FIRST, create_views, first_rows, keep_rows
from lakeward.domain.expectations import PERMITTED, Shape
from lakeward.domain.file_facts import FileSet, StorageAccess
from lakeward.domain.rules import check_rule, describe, describe_reference, exact_args, rule_columns
from lakeward.errors import LakeError, SpecError, redact
from lakeward.ports import Progress, RuleResult, RuleSet
from lakeward.spec.rules import Rule

if TYPE_CHECKING:
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    from lakeward.adapters.expectations.gx import TableRules

_UNIQUE = ("expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique")


@dataclass(frozen=True, slots=True)
class _Asked:
    """One rule or reference of a table, ready to be put: ``sql`` selects failing rows where the SQL is ours."""

    said: str
    severity: str
    config: ExpectationConfiguration
    columns: tuple[str, ...]
    rows: bool
    partly: bool
    sql: str = ""


class GxValidator:
    """Great Expectations over DuckDB in bounded memory; ``memory_limit`` as ``512MB``.

    It is imported by the first call (5 to 10 s, 250 MB). Nothing is written but below ``keep`` and a folder in ``temp_dir``.
    """

    def __init__(self, threads: int = 2, memory_limit: str = "512MB", temp_dir: Path | str | None = None) -> None:
        self._threads = threads
        self._memory_limit = memory_limit
        self._temp_dir = temp_dir

    def validate(
        self,
        sets: Sequence[RuleSet],
        inputs: Mapping[str, FileSet],
        keep: str,
        access: StorageAccess,
        progress: Progress,
    ) -> tuple[RuleResult, ...]:
        """Per set the results of its rules, then of its references; SpecError for a rule that can't be put to its table.

        LakeError when the files can't be read.
        """
        _check(sets)
        secrets = [s for a in (access, *(f.access for f in inputs.values())) for s in (a.access_key, a.secret_key)]
        with tempfile.TemporaryDirectory(prefix="lakeward-rules-", dir=self._temp_dir) as folder:
            con = connect(self._memory_limit, self._threads, folder)
            try:
                use_storage(con, access, keep)
                results = list(_results(con, sets, create_views(con, inputs), keep, progress))
            except duckdb.Error as error:
                raise LakeError(
                    f"The staged files can't be read: {redact(str(error), secrets)}",
                    todo="Check that the object store answers and that nobody removed the files; then try again.",
                ) from None
            finally:
                con.close()
        return tuple(replace(result, error=redact(result.error, secrets)) for result in results)


def _results(
    con: duckdb.DuckDBPyConnection, sets: Sequence[RuleSet], views: Mapping[str, str], keep: str, progress: Progress
) -> Iterator[RuleResult]:
    from lakeward.adapters.expectations import gx

    with gx.opened(con) as engine:
        for number, one in enumerate(sets):
            progress(f"rules of {one.table.name}", number, len(sets))
            yield from _TableRun(con, gx.TableRules(engine, views[one.table.name]), one, views, keep).results()
    progress("rules", len(sets), len(sets))


class _TableRun:
    """The rules of one table."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, table: TableRules, one: RuleSet, views: Mapping[str, str], keep: str
    ) -> None:
        self._con = con
        self._table = table
        self._set = one
        self._views = views
        self._keep = keep

    def results(self) -> list[RuleResult]:
        asked = [*map(self._ask_rule, self._set.rules), *map(self._ask_reference, self._set.references)]
        count = self._con.execute(f"SELECT count(*) FROM {self._views[self._set.table.name]}").fetchone()
        rows = int(count[0]) if count else 0
        found: dict[int, Any] = {}
        for together in _rounds(asked):
            found.update(self._run(asked, together))
        return [self._result(number, asked[number], found[number], rows) for number in range(len(asked))]

    def _run(self, asked: Sequence[_Asked], numbers: Sequence[int]) -> dict[int, Any]:
        """Results of rules that are put together; if one can't be evaluated, those it drew along are put alone."""
        found = dict(zip(numbers, self._table.run([asked[n].config for n in numbers], "BOOLEAN_ONLY"), strict=True))
        if len(numbers) > 1:
            for number in [n for n in numbers if _error(found[n])]:
                found |= self._run(asked, [number])
        return found

    def _ask_rule(self, rule: Rule) -> _Asked:
        from lakeward.adapters.expectations.gx import configuration

        args = exact_args(rule, self._set.table)
        given = {name: list(value) if isinstance(value, tuple) else value for name, value in args.items()}
        columns = rule_columns(rule)
        sql = ""
        if rule.expect in _UNIQUE:
            sql = sharing(self._view, columns, self._chosen(columns))
        return _Asked(
            said=describe(rule),
            severity=rule.severity,
            config=configuration(rule.expect, given),
            columns=columns,
            rows=PERMITTED[rule.expect].shape is Shape.ROWS,
            partly=args.get("mostly", 1) != 1,
            sql=sql,
        )

    def _ask_reference(self, reference: tuple[tuple[str, ...], str, tuple[str, ...]]) -> _Asked:
        from lakeward.adapters.expectations.gx import configuration

        columns, to, to_columns = reference
        sql = orphans(self._view, columns, self._views[to], to_columns, self._set.table.key)
        return _Asked(
            said=describe_reference(columns, to, to_columns),
            severity="fail",
            config=configuration(
                "unexpected_rows_expectation", {"unexpected_rows_query": as_unexpected_rows(sql, self._view)}
            ),
            columns=columns,
            rows=True,
            partly=False,
            sql=sql,
        )

    @property
    def _view(self) -> str:
        return self._views[self._set.table.name]

    def _chosen(self, columns: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self._set.table.key, *columns]))

    def _result(self, number: int, asked: _Asked, found: Any, rows: int) -> RuleResult:
        error = _error(found)
        result = RuleResult(
            table=self._set.table.name,
            rule=asked.said,
            severity=asked.severity,
            passed=bool(found.success) and not error,
            checked=0 if error else rows if asked.rows else 1,
            failed=0,
            error=error,
        )
        if error or (result.passed and not (asked.partly and asked.rows)):
            return result
        if not asked.rows:
            return replace(result, failed=1, keys=_figures(self._table.run([asked.config], "BASIC")[0].result))
        try:
            return self._with_rows(number, asked, result)
        except duckdb.Error as failed:
            return replace(result, passed=False, checked=0, error=f"The failing rows can't be listed: {failed}")

    def _with_rows(self, number: int, asked: _Asked, result: RuleResult) -> RuleResult:
        sql, params = asked.sql, list[object]()
        if not sql:
            sql, params = self._table.failing(asked.config, self._chosen(asked.columns))
        file = keep_rows(self._con, sql, params, f"{self._keep}/{result.table}-{number:02}.parquet")
        keys = first_rows(self._con, file.url, self._set.table.key, asked.columns) if file.rows else ()
        return replace(result, failed=file.rows, keys=keys, keys_file=file)


def _check(sets: Sequence[RuleSet]) -> None:
    for one in sets:
        for rule in one.rules:
            try:
                check_rule(rule, one.table)
            except ValueError as error:
                raise SpecError(
                    f"A rule of {one.table.name} can't be used: {error}.", todo="Correct it in the migration file."
                ) from error


def _rounds(asked: Sequence[_Asked]) -> Iterator[list[int]]:
    """Rules that may be put together. Great Expectations tells figures apart by arguments made floats, so two rules of one

    kind on the same columns, with bounds that agree to 15 digits, would get one result; they are put one after the other.
    """
    left = list(range(len(asked)))
    while left:
        taken: dict[tuple[str, tuple[str, ...]], int] = {}
        for number in left:
            taken.setdefault((asked[number].config.type, asked[number].columns), number)
        yield list(taken.values())
        left = [number for number in left if number not in taken.values()]


def _error(found: Any) -> str:
    """The first line of what kept a rule from being evaluated, or nothing."""
    info = found.exception_info or {}
    several = [info] if "exception_message" in info else [i for i in info.values() if isinstance(i, dict)]
    told = [str(i["exception_message"]) for i in several if i.get("raised_exception")]
    return re.sub(r"^\(_duckdb\.\w+\) ", "", told[0].strip().split("\n", 1)[0])[:500] if told else ""


def _figures(found: Mapping[str, Any]) -> tuple[str, ...]:
    """What a rule on a figure found: the figure, or the values that are too many or missing."""
    lists = {"not expected": found.get("partial_unexpected_list"), "missing": found.get("partial_missing_list")}
    told = [f"{word}: {', '.join(map(str, values[:FIRST]))}" for word, values in lists.items() if values]
    figure = found.get("observed_value")
    return tuple(told) or (f"found {'nothing but nulls' if figure is None else figure}",)

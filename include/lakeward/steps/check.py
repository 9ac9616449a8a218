"""Check a migration file without asking the source: its own checks, and those that need the domain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path as FilePath

from lakeward.domain.expectations import PERMITTED
from lakeward.domain.kpi_measure import KpiError, parse_measure
from lakeward.domain.regex import regex_fault
from lakeward.domain.rules import argument_fault
from lakeward.spec.checks import runs_sql
from lakeward.spec.document import Path
from lakeward.spec.load import LoadedMigration, load
from lakeward.spec.models import Migration
from lakeward.spec.problems import Trouble, meant
from lakeward.spec.rules import Rule

Regex = Callable[[str], str]
"""Why a regular expression is none, or nothing."""


def check_file(path: FilePath, regex: Regex = regex_fault) -> LoadedMigration:
    """Read and check a migration file; quick and offline. SpecError names every problem of it, with its lines.

    :param regex: what judges regular expressions; DuckDB itself is exact, and too heavy while DAG files are parsed.
    """
    return load(path, also=partial(_checks, regex))


def _checks(regex: Regex, spec: Migration) -> Iterator[Trouble]:
    yield from _measures(spec)
    for n, group in enumerate(spec.groups):
        for m, table in enumerate(group.tables):
            yield from _rules(table.rules, ("groups", n, "tables", m), regex)
            for k, rule in enumerate(table.flatten):
                for i, child in enumerate(rule.children):
                    yield from _rules(child.rules, ("groups", n, "tables", m, "flatten", k, "children", i), regex)


def _rules(rules: Sequence[Rule], at: Path, regex: Regex) -> Iterator[Trouble]:
    """Expectations that are known, with the arguments that they take; values of a column's type are looked at when columns are known."""
    for n, rule in enumerate(rules):
        permitted = PERMITTED.get(rule.expect)
        if permitted is None:
            if not runs_sql(rule):
                todo = meant(rule.expect, PERMITTED) or "docs/migration-file.md lists those that may be used."
                yield Trouble((*at, "rules", n, "expect"), f"`{rule.expect}` is no expectation that may be used", todo)
            continue
        known = {**permitted.required, **permitted.optional}
        for name, value in rule.args.items():
            if name in known:
                if value is not None and (fault := argument_fault(known[name], value, name, regex)):
                    yield Trouble((*at, "rules", n, "args", name), f"`{rule.expect}`: {fault}")
            else:
                todo = meant(name, known) or f"It takes: {', '.join(known)}."
                yield Trouble((*at, "rules", n, "args", name), f"`{rule.expect}` takes no `{name}`", todo, key=True)
        for name, kind in permitted.required.items():
            misspelt = any(meant(other, [name]) for other in rule.args if other not in known)
            if rule.args.get(name) is None and not misspelt:
                yield Trouble((*at, "rules", n), f"`{rule.expect}` needs `{name}`: {kind}", "Add it under `args`.")


def _measures(spec: Migration) -> Iterator[Trouble]:
    for n, kpi in enumerate(spec.kpis):
        try:
            parse_measure(kpi.measure)
        except KpiError as error:
            todo = "Such as `sum(quantity * unit_price)`, `count()`, `count_distinct(customer_id)`."
            yield Trouble(("kpis", n, "measure"), str(error), todo, at=error.at)

"""The report on the record rules: one page of HTML that needs no network, no script and no other file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from lakeward.domain.evidence import Outcome, Verdict

if TYPE_CHECKING:
    from jinja2 import Template

WORST_FIRST = (Outcome.ERROR, Outcome.FAIL, Outcome.WARN, Outcome.PASS)


@dataclass(frozen=True, slots=True)
class ReportedRule:
    """One rule and what it found; ``keys`` are the first failing keys, ``keys_file`` is where all of them lie."""

    said: str
    why: str
    expectation: str
    outcome: Outcome
    checked: int
    failed: int
    keys: tuple[str, ...] = ()
    keys_file: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class ReportedTable:
    """One lake table: its staged and quarantined rows and its rules."""

    name: str
    rows: int
    quarantined: int
    rules: tuple[ReportedRule, ...]

    @property
    def outcome(self) -> Outcome:
        """The worst of its rules."""
        found = {rule.outcome for rule in self.rules}
        return next(one for one in WORST_FIRST if one in found or one is Outcome.PASS)

    @property
    def worst_first(self) -> list[ReportedRule]:
        """Its rules, those that need a look before the others."""
        return sorted(self.rules, key=lambda rule: WORST_FIRST.index(rule.outcome))

    def count(self, outcome: Outcome) -> int:
        """How many of its rules ended so."""
        return sum(rule.outcome is outcome for rule in self.rules)


def render(verdict: Verdict, tables: tuple[ReportedTable, ...]) -> str:
    """The page; everything that comes from data is escaped."""
    return _template().render(verdict=verdict, tables=tables, outcomes=list(Outcome), words=_WORDS)


_WORDS = {
    Outcome.PASS: "passed",
    Outcome.WARN: "warned",
    Outcome.FAIL: "failed",
    Outcome.ERROR: "not evaluated",
}


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = lambda value: f"{value:,}"
    return environment.from_string(files("lakeward.domain").joinpath("record_report.html").read_text("utf-8"))

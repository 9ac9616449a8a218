"""The dossier of a run: one page for who signs and who audits, which needs no network, no script and no other file."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from lakeward.domain.chain import Record
from lakeward.domain.decision import GateDecision
from lakeward.domain.evidence import Approval, Evidence, Finding, Outcome, Transition
from lakeward.domain.facts import Plan
from lakeward.domain.words import spelled

if TYPE_CHECKING:
    from jinja2 import Template


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a group was read, and when."""

    group: str
    cut_id: str
    source: str
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class Cell:
    """A period of a figure as people read it, both sides and what lies between them."""

    period: str
    source: str
    lake: str
    difference: str
    differs: bool


@dataclass(frozen=True, slots=True)
class Series:
    """A figure over the periods of one grain: a plot, and the cells that are shown as text."""

    grain: str
    plot: str
    periods: int
    differing: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A business figure of both sides: its total and its periods."""

    group: str
    name: str
    title: str
    measure: str
    note: str
    outcome: Outcome
    total: Cell
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """What one check found to differ: cells of a figure, and rows; ``note`` tells why rows could not be named."""

    group: str
    subject: str
    cells: tuple[Finding, ...]
    rows: tuple[Finding, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Aside:
    """Quarantined rows of one table with one reason."""

    group: str
    table: str
    reason: str
    column: str
    rows: int


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything that the page shows."""

    plan: Plan
    evidence: Evidence
    decision: GateDecision
    cuts: tuple[Cut, ...]
    figures: tuple[Figure, ...]
    differences: tuple[Difference, ...]
    aside: tuple[Aside, ...]
    approvals: tuple[Approval, ...]
    transitions: tuple[Transition, ...]
    records: tuple[Record, ...]
    head: str
    landing: str


def render(dossier: Dossier) -> str:
    """The page, the same text for the same facts; everything that comes from data is escaped."""
    return _template().render(d=dossier, outcomes=list(Outcome))


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = lambda value: f"{value:,}"
    environment.filters["spelled"] = spelled
    environment.filters["instant"] = lambda value: value.isoformat(sep=" ", timespec="seconds")
    return environment.from_string(files("lakeward.domain").joinpath("dossier.html").read_text("utf-8"))

"""What must hold between a migration file's fiscal periods, the grains of its KPIs and its gate."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from lakeward.spec.calendar import FiscalSpec, Grain
from lakeward.spec.document import Path
from lakeward.spec.models import Migration
from lakeward.spec.problems import Trouble

_AT: Path = ("calendar", "fiscal")
_LISTS = {Grain.FISCAL_YEAR: "years", Grain.FISCAL_QUARTER: "quarters", Grain.FISCAL_MONTH: "months"}
_IN_A_YEAR = {Grain.FISCAL_YEAR: 1, Grain.FISCAL_QUARTER: 4, Grain.FISCAL_MONTH: 12}
_LONGEST = timedelta(days=3650)
_WEEKS = (52 * 7, 53 * 7)


def check_calendar(spec: Migration) -> Iterator[Trouble]:
    """Every contradiction of calendar, grains and gate, with the path of what is to be changed."""
    fiscal = spec.calendar.fiscal
    if fiscal is not None:
        yield from _form(fiscal)
        yield from _starts(fiscal)
    late = spec.calendar.closed_after
    if late is not None and late.delta > _LONGEST:
        reason = f"`closed_after` is {late}: no period of the last ten years would be closed"
        yield Trouble(("calendar", "closed_after"), reason, "Write how late rows come at most, as `36h`.")
    for n, kpi in enumerate(spec.kpis):
        for m, grain in enumerate(kpi.grains):
            yield from _declared(grain, fiscal, ("kpis", n, "grains", m))
    used = {grain for kpi in spec.kpis if kpi.date is not None for grain in kpi.grains}
    for grain in spec.gate.closed_periods:
        if grain not in used:
            todo = "Add it to the `grains` of a KPI with a `date`, or leave it out here."
            yield Trouble(("gate", "closed_periods", grain.value), f"no KPI has the grain `{grain.value}`", todo)
        elif fiscal is not None and grain.fiscal:
            yield from _enough(grain, spec.gate.closed_periods[grain], fiscal)


def _form(fiscal: FiscalSpec) -> Iterator[Trouble]:
    """One of the three forms, whole."""
    lists = [name for name in _LISTS.values() if getattr(fiscal, name)]
    if fiscal.month_starts is not None:
        if fiscal.weeks or lists:
            other = "weeks" if fiscal.weeks else lists[0]
            todo = "Leave one of them out."
            yield Trouble((*_AT, other), f"`{other}` beside `month_starts`: two forms of fiscal periods", todo)
        return
    if "year_starts" in fiscal.model_fields_set:
        todo = "Add `month_starts: 1`, or list `years`."
        yield Trouble((*_AT, "year_starts"), "`year_starts` without `month_starts`", todo)
    if fiscal.weeks and "years" not in lists:
        todo = "List the first day of each fiscal year, and the first day after the last one."
        yield Trouble((*_AT, "weeks"), "`weeks` without the `years` that they are counted from", todo)
    if fiscal.weeks:
        for name in {*lists} - {"years"}:
            yield Trouble((*_AT, name), f"`{name}` follow from `weeks` and `years`", "Leave one of them out.")
    elif not lists:
        yield Trouble(_AT, "`fiscal` declares no period", "Write `month_starts`, `weeks` with `years`, or lists.")


def _starts(fiscal: FiscalSpec) -> Iterator[Trouble]:
    """Lists ascend, and a longer period begins where a shorter one does."""
    for name in _LISTS.values():
        days = getattr(fiscal, name)
        if len(days) == 1:
            todo = "Add the first day after the last period."
            yield Trouble((*_AT, name), f"`{name}` has one day, so that no period has an end", todo)
        for n, (before, after) in enumerate(pairwise(days), 1):
            if after <= before:
                yield Trouble((*_AT, name, n), f"`{after}` does not come after `{before}`", "List them in order.")
            elif fiscal.weeks and name == "years" and (after - before).days not in _WEEKS:
                length = (after - before).days
                reason = f"the year from {before} to {after} has {length} days, not 52 or 53 weeks"
                yield Trouble((*_AT, name, n), reason, "Correct one of the two days.")
    for longer, shorter in (("years", "quarters"), ("years", "months"), ("quarters", "months")):
        inner = getattr(fiscal, shorter)
        for n, day in enumerate(getattr(fiscal, longer)):
            if inner and inner[0] <= day <= inner[-1] and day not in inner:
                reason = f"{day} is the first day of one of `{longer}`, but of none of `{shorter}`"
                yield Trouble((*_AT, longer, n), reason, f"Add it to `{shorter}`, or correct it.")


def _declared(grain: Grain, fiscal: FiscalSpec | None, at: Path) -> Iterator[Trouble]:
    if not grain.fiscal:
        return
    if fiscal is None:
        reason, todo = f"`{grain.value}` without `calendar.fiscal`", "Declare fiscal periods, or use day, week, month."
        yield Trouble(at, reason, todo, because=(_AT,))
    elif any(getattr(fiscal, name) for name in _LISTS.values()) and not fiscal.weeks:
        name = _LISTS[grain]
        if not getattr(fiscal, name):
            reason, todo = f"`{grain.value}` without `calendar.fiscal.{name}`", f"List the first days of `{name}`."
            yield Trouble(at, reason, todo, because=tuple((*_AT, other) for other in ("month_starts", "weeks", name)))


def _enough(grain: Grain, wanted: int, fiscal: FiscalSpec) -> Iterator[Trouble]:
    """The gate asks for no more periods than are listed."""
    if fiscal.month_starts is not None:
        return
    name, times = ("years", _IN_A_YEAR[grain]) if fiscal.weeks else (_LISTS[grain], 1)
    days = getattr(fiscal, name)
    if days and (there := (len(days) - 1) * times) < wanted:
        reason = f"`{grain.value}: {wanted}`, but `calendar.fiscal` tells of {there}: the gate could never open"
        todo = f"Ask for fewer, or list more of `{name}`."
        yield Trouble(("gate", "closed_periods", grain.value), reason, todo, because=((*_AT, name),))

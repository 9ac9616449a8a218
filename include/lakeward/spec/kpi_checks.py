"""What must hold inside a KPI and a filter, and can be told without asking the source."""

from __future__ import annotations

from collections.abc import Iterator

from lakeward.spec.document import Path
from lakeward.spec.flatten_checks import again
from lakeward.spec.models import Filter, FilterOp, KpiSpec
from lakeward.spec.problems import Trouble

TOLERANCE = (
    "`exact: false` and `tolerance: {absolute: 0.01, owner: who answers for it, reason: why}` (or `relative: 0.000001`)"
)
"""What a KPI over floats needs."""


def _tolerance(kpi: KpiSpec, at: Path) -> Iterator[Trouble]:
    tolerance = kpi.tolerance
    if tolerance is None:
        if not kpi.exact:
            todo = f"Write {TOLERANCE}."
            yield Trouble(
                (*at, "exact"), "a figure that is not exact needs a `tolerance`", todo, because=((*at, "tolerance"),)
            )
        return
    if kpi.exact:
        reason = "a figure that is exact takes no `tolerance`: it is equal or it is not"
        todo = "Leave it out, or write `exact: false` where the figure is made of floats."
        yield Trouble((*at, "tolerance"), reason, todo, because=((*at, "exact"),))
    if (tolerance.absolute is None) is (tolerance.relative is None):
        both = tuple((*at, "tolerance", field) for field in ("absolute", "relative"))
        yield Trouble(
            (*at, "tolerance"), "a tolerance is either `absolute` or `relative`", "Write one of them.", because=both
        )


def check_kpi(kpi: KpiSpec, at: Path) -> Iterator[Trouble]:
    """What contradicts itself inside a KPI."""
    for field, values in (("grains", kpi.grains), ("dimensions", kpi.dimensions)):
        for n, value in again(values):
            yield Trouble((*at, field, n), f"`{value}` stands twice in `{field}`", "Leave one out.")
    if kpi.date is None and "grains" in kpi.model_fields_set and kpi.grains:
        todo = "Add `date`, or leave them out."
        reason = "`grains` without a `date` that they could cut"
        yield Trouble((*at, "grains"), reason, todo, because=((*at, "date"),))
    if kpi.date is not None and not kpi.grains:
        yield Trouble((*at, "grains"), "a KPI with a `date` needs at least one grain", "Use day, week or month.")
    yield from _tolerance(kpi, at)
    if kpi.date in kpi.dimensions:
        n = kpi.dimensions.index(kpi.date)
        yield Trouble((*at, "dimensions", n), f"`{kpi.date}` is the KPI's date already", "Leave it out here.")
    for n, one in enumerate(kpi.filter):
        yield from filter_arity(one, (*at, "filter", n))
    if kpi.sql and kpi.terms == "source":
        yield Trouble(
            (*at, "terms"),
            "`terms: source` beside `sql`: the KPI's columns are those that `sql.columns` declares, on both sides",
            "Leave `terms` out.",
            because=((*at, "sql"),),
        )


def filter_arity(one: Filter, at: Path) -> Iterator[Trouble]:
    """The operator decides how many values there must be."""
    path = (*at, "value") if one.value is not None else at
    if one.op in {FilterOp.IS_NULL, FilterOp.NOT_NULL}:
        if one.value is not None:
            yield Trouble(path, f"`{one.op}` takes no value", "Leave `value` out.")
    elif one.op in {FilterOp.IN, FilterOp.NOT_IN}:
        if not isinstance(one.value, tuple) or not one.value:
            yield Trouble(path, f"`{one.op}` takes a list of values", "Write `value: [a, b]`.")
    elif one.value is None:
        todo = "Add `value`; to find nulls write `op: is null` or `op: is not null`."
        yield Trouble(path, f"`{one.op}` needs a value; null never compares", todo)
    elif isinstance(one.value, tuple):
        yield Trouble(path, f"`{one.op}` takes one value, not a list", "Use `op: in` or `op: not in` for a list.")

"""Whether a source table still is what a run was planned for."""

from __future__ import annotations

from collections.abc import Iterator

from lakeward.domain.facts import TablePlan
from lakeward.domain.source_facts import SourceTable
from lakeward.domain.unread import UNREAD


def drift(plan: TablePlan, now: SourceTable | None) -> Iterator[str]:
    """Everything about a source table by which the plan could read something else, or not all of it, as sentences.

    :param now: the table as the source's catalog tells it in the cut's snapshot; None when it is gone.
    """
    if now is None:
        yield "it is gone"
        return
    if plan.kind and now.kind != plan.kind:
        yield f"it was a {plan.kind} and is a {now.kind}"
    if plan.scan and now.kind == "table" and now.has_children:
        yield "other tables inherit from it now"
    if (plan.scan or plan.ctid) and not now.whole:
        yield "the right to read it as a whole is gone, only columns of it may be read"
    if now.row_security:
        yield "row-level security applies to the connection's role now, so that it may not see every row"
    yield from _columns(plan, now)


def _columns(plan: TablePlan, now: SourceTable) -> Iterator[str]:
    there = {column.name: column for column in now.columns}
    for column in (c for c in plan.columns if c.source != UNREAD):
        found = there.pop(column.column, None)
        if found is None:
            yield f"column {column.column!r} is gone"
        elif found.type != column.source_type:
            yield f"column {column.column!r} was {column.source_type} and is {found.type}"
        elif column.definition and found.definition != column.definition:
            yield f"the type {found.type} of column {column.column!r} was made of {column.definition} and is made of {found.definition or 'nothing'}"
        elif found.nullable and not column.nullable:
            yield f"column {column.column!r} was not null and may be null now"
        if found and column.column in now.unreadable_columns:
            yield f"the right to read column {column.column!r} is gone"
    for name, added in there.items():
        if name not in plan.dropped:
            yield f"column {name!r} ({added.type}) is new{f', {added.comment}' if added.comment.startswith('first in ') else ''}"

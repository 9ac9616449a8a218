"""Giving a live table what its plan lets it be given: new columns, wider types, columns that may be null. Field ids stay, no file is rewritten."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from pyiceberg.table import Table
from pyiceberg.table.update.schema import UpdateSchema

from lakeward.adapters.iceberg.adopt import ADOPTED
from lakeward.adapters.iceberg.once import REFUSED, UNKNOWN, WAITS
from lakeward.adapters.iceberg.schema import doc_of, iceberg_type
from lakeward.domain.facts import LakeTable
from lakeward.errors import ConflictError, UnsupportedError

Step = tuple[str, Callable[[UpdateSchema], object]]


def evolve(load: Callable[[], Table], table: LakeTable) -> tuple[str, ...]:
    """Evolve a table in one commit; what was done, in words. Done again it does nothing.

    Each try looks at the table anew and asks once, on condition that its schema is what was looked at: an answer that never came is
    learned from the table.

    :raises ConflictError: others kept changing the schema.
    :raises UnsupportedError: files of the table are known by their columns' names alone.
    """
    done: tuple[str, ...] = ()
    last: Exception | None = None
    for wait in (*WAITS, None):
        live = load()
        steps = list(_steps(live, table))
        if not steps:
            return done
        if ADOPTED in live.properties:
            raise UnsupportedError(
                f"Table {'.'.join(live.name())} holds files that were adopted as they are, without field ids; its schema can't evolve.",
                todo="Leave `adopt` out, drop the table, and move it anew.",
            )
        done = tuple(told for told, _ in steps)
        try:
            with live.update_schema() as update:
                for _, step in steps:
                    step(update)
        except (*REFUSED, *UNKNOWN) as error:
            last = error
            if wait:
                time.sleep(wait)
    raise ConflictError(
        f"The schema of table {table.name} could not be evolved: {type(last).__name__}.",
        todo="Run the step again: it looks first what is there.",
    ) from last


def _steps(live: Table, table: LakeTable) -> Iterator[Step]:
    there = {field.name: field for field in live.schema().fields}
    for column in (c for c in table.columns if c.name in table.evolve):
        name, kind, doc = column.name, iceberg_type(column.type), doc_of(column)
        field = there.get(name)
        if field is None:
            yield (
                f"{table.name}: column {name!r} ({column.type}) is added",
                lambda u, n=name, k=kind, d=doc: u.add_column((n,), k, doc=d),  # type: ignore[misc]
            )
            continue
        if field.field_type != kind or field.doc != doc:
            yield (
                f"{table.name}: column {name!r} is {column.type}, {doc}",
                lambda u, n=name, k=kind, d=doc: u.update_column((n,), field_type=k, doc=d),  # type: ignore[misc]
            )
        if field.required and not column.required:
            yield (
                f"{table.name}: column {name!r} may be null",
                lambda u, n=name: u.update_column((n,), required=False),  # type: ignore[misc]
            )

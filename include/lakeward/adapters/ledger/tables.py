"""The ledger's tables; the migrations beside them make them."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    TypeDecorator,
)

NUMBER = BigInteger().with_variant(Integer, "sqlite")


class Instant(TypeDecorator[datetime]):
    """An instant, kept in UTC and given back with its zone, on SQLite as well, which knows none."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """To UTC; an instant without a zone is refused."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; instants of the ledger need one")
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """With its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData()

steps = Table(
    "lakeward_steps",
    metadata,
    Column("migration", Text, nullable=False),
    Column("run_key", Text, nullable=False),
    Column("group_name", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("message", Text, nullable=False),
    PrimaryKeyConstraint("migration", "run_key", "group_name", "step", "started_at", name="lakeward_steps_pk"),
)

verdicts = Table(
    "lakeward_verdicts",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("migration", Text, nullable=False),
    Column("group_name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("inputs_hash", Text, nullable=False),
    Column("cut_id", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("decided_at", Instant, nullable=False),
    Column("body", Text, nullable=False),
    Index("lakeward_verdicts_inputs", "migration", "group_name", "kind", "subject", "inputs_hash", unique=True),
    # All that is asked of outcomes, so that nobody reads the bodies of a year of verdicts for it.
    Index(
        "lakeward_verdicts_outcomes",
        *("migration", "group_name", "kind", "subject", "decided_at", "number", "cut_id", "outcome"),
    ),
)

transitions = Table(
    "lakeward_transitions",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("content_hash", Text, nullable=False),
    Column("migration", Text, nullable=False),
    Column("run_key", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("body", Text, nullable=False),
    Index("lakeward_transitions_content", "content_hash", unique=True),
    Index("lakeward_transitions_migration", "migration", "at"),
)

acceptances = Table(
    "lakeward_acceptances",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("content_hash", Text, nullable=False),
    Column("migration", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("body", Text, nullable=False),
    Index("lakeward_acceptances_content", "content_hash", unique=True),
    Index("lakeward_acceptances_migration", "migration", "at"),
)

standing = Table(
    "lakeward_standing",
    metadata,
    Column("migration", Text, nullable=False),
    Column("group_name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("migration", "group_name", "kind", name="lakeward_standing_pk"),
)

meters = Table(
    "lakeward_meters",
    metadata,
    Column("migration", Text, nullable=False),
    Column("group_name", Text, nullable=False),
    Column("day", Text, nullable=False),
    Column("run_began", Text, nullable=False),  # of one run; empty for the whole day, which is their sum
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("migration", "group_name", "day", "run_began", name="lakeward_meters_pk"),
)

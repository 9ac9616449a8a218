"""Run by Alembic: migrate over the connection that was handed in, inside its transaction."""

from __future__ import annotations

from alembic import context

from lakeward.adapters.ledger.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="lakeward_version",
    transactional_ddl=True,  # SQLite too: the whole upgrade is one transaction that we begin ourselves
)
with context.begin_transaction():
    context.run_migrations()

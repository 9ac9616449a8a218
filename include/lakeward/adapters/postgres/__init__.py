"""PostgreSQL as a source: its catalog, one snapshot for a whole group, the fast scanner and the exact query; and its change log."""

from lakeward.adapters.postgres.slot import PostgresChanges
from lakeward.adapters.postgres.source import PostgresSource

__all__ = ["PostgresChanges", "PostgresSource"]

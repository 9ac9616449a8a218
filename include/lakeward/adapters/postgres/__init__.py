"""PostgreSQL as a source: its catalog, one snapshot for a whole group, the fast scanner and the exact query."""

from lakeward.adapters.postgres.source import PostgresSource

__all__ = ["PostgresSource"]

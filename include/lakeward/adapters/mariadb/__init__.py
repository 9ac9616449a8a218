"""MariaDB as a source: its catalog, one consistent snapshot for a whole group, and what it measures itself."""

from lakeward.adapters.mariadb.source import MariaDbSource

__all__ = ["MariaDbSource"]

"""The ledger: operational history in SQLite or PostgreSQL, and an in-memory twin."""

from lakeward.adapters.ledger.memory import MemoryLedger
from lakeward.adapters.ledger.sql import SqlLedger

__all__ = ["MemoryLedger", "SqlLedger"]

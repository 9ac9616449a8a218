"""Record rules by Great Expectations over DuckDB. Importing this package is cheap; validating imports Great Expectations."""

from lakeward.adapters.expectations.validator import GxValidator

__all__ = ["GxValidator"]

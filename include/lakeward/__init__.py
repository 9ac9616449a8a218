"""Migrate databases into an Iceberg lakehouse and prove, to the cent, that nothing changed."""

__version__ = "0.1.0"

"""The lake: an Iceberg catalog and one namespace in it."""

from lakeward.adapters.iceberg.lake import IcebergLake
from lakeward.adapters.iceberg.properties import properties_from

__all__ = ["IcebergLake", "properties_from"]

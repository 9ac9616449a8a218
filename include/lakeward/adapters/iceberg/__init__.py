"""The lake: an Iceberg catalog and one namespace in it."""

from typing import TYPE_CHECKING

from lakeward.adapters.iceberg.properties import properties_from

if TYPE_CHECKING:
    from lakeward.adapters.iceberg.lake import IcebergLake

__all__ = ["IcebergLake", "properties_from"]


def __getattr__(name: str) -> object:
    """``IcebergLake``, and with it PyIceberg, when it is first asked for: most of a short step's time would go into that import."""
    if name == "IcebergLake":
        from lakeward.adapters.iceberg.lake import IcebergLake

        return IcebergLake
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

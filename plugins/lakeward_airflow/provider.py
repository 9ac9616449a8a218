"""What `airflow providers list` shows of lakeward."""

from __future__ import annotations

from lakeward import __version__


def get_provider_info() -> dict[str, object]:
    """Name the package, its links and what it needs; it uses Airflow's own connection types and adds none."""
    return {
        "package-name": "lakeward",
        "name": "lakeward",
        "description": "Migrates databases into an Iceberg lakehouse and proves, to the cent, that nothing changed.",
        "versions": [__version__],
        "extra-links": [
            "lakeward_airflow.links.DossierLink",
            "lakeward_airflow.links.EvidenceLink",
            "lakeward_airflow.links.MaintenanceLink",
            "lakeward_airflow.links.ValidationReportLink",
        ],
    }

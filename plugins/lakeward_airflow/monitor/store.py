"""Where a migration's evidence lies, as seen from the API server."""

from __future__ import annotations

from pathlib import Path

from airflow.configuration import conf

from lakeward.adapters.open import open_store
from lakeward.errors import LakewardError
from lakeward.ports import ObjectStore
from lakeward.spec.load import load
from lakeward.spec.models import AnyMigration, Migration
from lakeward_airflow.connections import resolve
from lakeward_airflow.dag_files import migration_files
from lakeward_airflow.runs import home


def find_migration(name: str) -> AnyMigration | None:
    """The migration of that name among the files beside the DAGs, or None; files that cannot be read are passed over."""
    for path in migration_files(Path(conf.get("core", "dags_folder"))):
        try:
            spec = load(path).spec
        except (LakewardError, OSError, UnicodeError):
            continue
        if spec.migration == name:
            return spec
    return None


def open_evidence(spec: Migration) -> ObjectStore:
    """The object store that holds the migration's evidence."""
    return open_store(spec.landing, resolve, home())

"""The peer: dlt loads lineitem by ConnectorX into an Iceberg table in a folder. ``python dlt_lineitem.py URI FOLDER``."""

import sys

import dlt
from dlt.sources.sql_database import sql_table

uri, folder = sys.argv[1:]
pipeline = dlt.pipeline(
    "bench",
    destination=dlt.destinations.filesystem(f"file://{folder}/lake"),
    dataset_name="tpch",
    pipelines_dir=f"{folder}/pipelines",
)
table = sql_table(credentials=uri, table="lineitem", schema="public", backend="connectorx", reflection_level="full")
table.apply_hints(table_format="iceberg", write_disposition="replace")
pipeline.run(table, loader_file_format="parquet").raise_on_failed_jobs()

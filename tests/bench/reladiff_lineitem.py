"""The peer: reladiff compares lineitem in PostgreSQL with a copy in DuckDB. ``python reladiff_lineitem.py URI FILE``; prints what differs."""

import sys

from reladiff import connect_to_table, diff_tables

COLUMNS = (
    "l_partkey", "l_suppkey", "l_quantity", "l_extendedprice", "l_discount", "l_tax", "l_shipinstruct", "l_comment",
)  # fmt: skip
KEY = ("l_orderkey", "l_linenumber")

uri, file = sys.argv[1:]
tables = [
    connect_to_table(uri, "lineitem", KEY, extra_columns=COLUMNS, thread_count=2),
    connect_to_table({"driver": "duckdb", "filepath": file}, "lineitem", KEY, extra_columns=COLUMNS, thread_count=2),
]
for sign, row in diff_tables(*tables, threaded=True, max_threadpool_size=2):
    sys.stdout.write(f"{sign} {row}\n")

"""Figures as files: taken, stored, put beside each other."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from lakeward.domain import kpi
from lakeward.domain.evidence import Finding
from lakeward.domain.facts import TablePlan
from lakeward.domain.file_facts import FileFact, FileSet, Manifest
from lakeward.domain.kpi_compare import EXPECTED, FOUND, NOTHING, Opened, differences_sql, finding, totals_sql
from lakeward.errors import DataError, LakeError, SourceError, SourceLostError
from lakeward.ports import CutReader, Input, ObjectStore, Ports

if TYPE_CHECKING:
    import pyarrow as pa

_FULL = (
    "A figure has at most 38 digits, those after the point included: give its columns a smaller scale under `types`, let the KPI's "
    "`filter` leave out rows whose values are wrong, or measure parts of it as KPIs of their own."
)
_REFUSED = ".refused.json"
"""What stands in the place of figures that SQL written by hand could not give."""
SHOWN = 100
"""Findings that a verdict carries; its files have all of them."""


@dataclass(frozen=True, slots=True)
class Differences:
    """How many cells that decide were compared, how many differ, in how many of these only the rows do, the first of them, and the
    file with all; and how many cells are open, and how many of those differ."""

    checked: int
    failed: int
    hidden: int = 0
    findings: tuple[Finding, ...] = ()
    file: FileFact | None = None
    open: int = 0
    open_failed: int = 0


@contextmanager
def reckoning(r: kpi.ResolvedKpi) -> Iterator[None]:
    """Errors name the KPI; a figure that has no room is told as such."""
    try:
        yield
    except (SourceError, DataError) as error:
        full = any(sign in error.what for sign in ("overflow", "out of range", "Out of Range", "Conversion Error"))
        todo = _FULL if full else error.todo
        raise type(error)(f"KPI {r.spec.name}, {r.spec.measure}: {error.what}", todo=todo) from error


def store_stream(
    store: ObjectStore, key: str, batches: pa.RecordBatchReader, head: list[dict[str, object]] | None = None
) -> FileFact:
    """Write batches as one Parquet object; ``head`` gets the first rows. In memory is only what is compressed already."""
    import pyarrow.parquet as pq

    rows = 0
    with tempfile.TemporaryDirectory(prefix="lakeward-") as folder:
        path = Path(folder) / "figures.parquet"
        with pq.ParquetWriter(path, batches.schema, compression="zstd") as writer:
            for batch in batches:
                if head is not None and len(head) < SHOWN:
                    head.extend(batch.slice(0, SHOWN - len(head)).to_pylist())
                writer.write_batch(batch)
                rows += batch.num_rows
        data = path.read_bytes()
    return FileFact(store.url(key), rows, len(data), store.put(key, data))


def take_figures(ports: Ports, sql: str, inputs: Mapping[str, Input], key: str) -> FileFact:
    """Reckon figures and store them, in order, so that two workers who take the same ones at once write the same bytes."""
    with ports.engine.stream(f"SELECT * FROM ({sql}) ORDER BY ALL", inputs) as batches:
        return store_stream(ports.store, key, batches)


def write_figures(ports: Ports, key: str, figures: pa.Table) -> FileFact:
    """Store a table of figures as one Parquet file."""
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(figures, buffer, compression="zstd")
    data = buffer.getvalue()
    return FileFact(ports.store.url(key), figures.num_rows, len(data), ports.store.put(key, data))


def take_source(ports: Ports, key: str, cut: CutReader, r: kpi.ResolvedKpi, most: int) -> FileFact:
    """The source's own figures of a KPI, stored; DataError when it has more cells than ``most``, of which no more are fetched."""
    with reckoning(r):
        found = cut.query(f"SELECT * FROM ({kpi.source_sql(r)}) AS cells LIMIT {most + 1}")
    if found.num_rows > most:
        over = f" over the values of {', '.join(r.spec.dimensions)}" if r.spec.dimensions else ""
        raise DataError(
            f"KPI {r.spec.name}: the source gives more than {most:,} cells (periods{over}), which `parity.max_cells` does not permit.",
            todo="Leave a dimension with that many values out, or grains; fingerprints of whole rows prove such columns too. Or raise "
            "`parity.max_cells`: a million cells take some hundred megabytes while they are compared.",
        )
    return write_figures(ports, key, found)


def take_at_cut(ports: Ports, folder: str, cut: CutReader, r: kpi.ResolvedKpi, most: int) -> FileFact:
    """As ``take_source``; what SQL written by hand can't give is stored as that, so that the cut lands and the verdict tells it."""
    try:
        return take_source(ports, f"{folder}/{r.spec.name}.parquet", cut, r, most)
    except SourceLostError:
        raise
    except SourceError as error:
        if r.hand is None:
            raise
        key, data = f"{folder}/{r.spec.name}{_REFUSED}", json.dumps({"what": error.what, "todo": error.todo}).encode()
        return FileFact(ports.store.url(key), 0, len(data), ports.store.put(key, data))


def as_input(store: ObjectStore, r: kpi.ResolvedKpi, file: FileFact) -> FileSet:
    """Stored figures as an input of the engine."""
    return FileSet((file.url,), store.access, kpi.figure_columns(r))


def source_figures(store: ObjectStore, manifest: Manifest, r: kpi.ResolvedKpi) -> FileFact:
    """The figures that the source gave in the cut's snapshot, unaltered since; LakeError when they are not, SourceError when it gave none."""
    refused = f"/figures/{r.spec.name}{_REFUSED}"
    if any(f.url.endswith(refused) for f in manifest.figures):
        file = taken_figures(store, manifest, refused, f"KPI {r.spec.name}")
        found = store.get(file.url.removeprefix(store.url("x")[:-1]))
        told = json.loads(found[0]) if found else {}
        raise SourceError(str(told.get("what")), todo=str(told.get("todo")))
    return taken_figures(store, manifest, f"/figures/{r.spec.name}.parquet", f"KPI {r.spec.name}")


def taken_figures(store: ObjectStore, manifest: Manifest, name: str, what: str) -> FileFact:
    """The file of figures whose URL ends so, unaltered since; LakeError when it is not."""
    file = next((f for f in manifest.figures if f.url.endswith(name)), None)
    if file is None:
        raise LakeError(
            f"The landing of group {manifest.group} at cut {manifest.cut_id} has no figures of {what}.",
            todo="Start a new run: this one was extracted without them.",
        )
    base = store.url("x")[:-1]
    found = store.get(file.url.removeprefix(base))
    if found is None or found[1] != file.checksum:
        state = "are gone" if found is None else "were changed"
        raise LakeError(
            f"The source's figures of {what} at {file.url} {state} since they were taken.",
            todo="Start a new run; nobody may write below the landing.",
        )
    return file


def landed_files(store: ObjectStore, manifest: Manifest, plan: TablePlan) -> FileSet:
    """The landing of a table as an input of the engine."""
    landed = next(t for t in manifest.tables if t.table == plan.name)
    return FileSet(tuple(f.url for f in landed.files), store.access, tuple((c.source, c.type) for c in plan.columns))


def put_beside(
    ports: Ports,
    r: kpi.ResolvedKpi,
    expected: FileSet,
    found: FileSet,
    *,
    key: str,
    since: date | None = None,
    opened: Opened = NOTHING,
) -> Differences:
    """Compare two stored tables of figures; the whole table of differences is stored under ``key``."""
    inputs = {EXPECTED: expected, FOUND: found}
    totals = {k: int(v) for k, v in ports.engine.table(totals_sql(r, since, opened), inputs).to_pylist()[0].items()}
    checked, failed, running, differing = (totals[name] for name in ("checked", "failed", "open", "open_failed"))
    if not failed and not differing:
        return Differences(checked, 0, open=running)
    head: list[dict[str, object]] = []
    with ports.engine.stream(differences_sql(r, since, opened), inputs) as batches:
        file = store_stream(ports.store, key, batches, head)
    findings = tuple(finding(r.spec, "source-lake", cell) for cell in head)
    return Differences(checked, failed, totals["hidden"], findings, file, running, differing)

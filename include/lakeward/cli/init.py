"""`lakeward init`: a first migration file from a database's catalog."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakeward.cli.console import exits, note, progressing, say
from lakeward.errors import SpecError

if TYPE_CHECKING:
    from lakeward.domain.draft import Draft
    from lakeward.ports import Source


@exits(2)
def init(
    conn: Annotated[str, typer.Argument(metavar="CONN", help="Connection id of the source.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write; `-` is stdout. Default: `dags/migrations/DATABASE.yaml`."),
    ] = None,
    tables: Annotated[
        list[str] | None, typer.Option("--table", "-t", help="`schema.table`, may be a glob; can be repeated.")
    ] = None,
    kind: Annotated[
        str, typer.Option(help="Kind of source, where the connection's type leaves a choice: `delta`.")
    ] = "",
    path: Annotated[str, typer.Option(help="Of a lake of files: `s3://bucket/prefix`, a folder, a namespace.")] = "",
    name: Annotated[str, typer.Option(help="Name of the migration and of the namespace; default the database's.")] = "",
    target: Annotated[str, typer.Option(help="Connection id of the lakehouse.")] = "lakehouse",
    landing: Annotated[str, typer.Option(help="`s3://bucket/prefix` or a folder.")] = "",
    landing_connection: Annotated[str, typer.Option(help="Connection id of an s3 landing.")] = "landing",
    time_zone: Annotated[str, typer.Option(help="Where your business's day begins.")] = "UTC",
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write a runnable, commented migration file from what a source tells of itself: tables, groups, nested columns, KPIs.

    Tables that refer to each other come into one group. What can't be carried is named in a comment.

    Exits 0 when it was written, 2 when it could not be.

    Example: `lakeward init shop_source --table 'public.*'`
    """
    from lakeward.adapters.connections import from_environment, variable
    from lakeward.adapters.open import kind_of, open_source
    from lakeward.domain.draft import Draft
    from lakeward.spec.models import SourceSpec
    from lakeward.spec.names import slug
    from lakeward.spec.source_checks import PLACED
    from lakeward.steps.check import check_file

    connection = from_environment(conn)
    spec = SourceSpec.model_validate({"kind": kind or kind_of(connection), "connection": conn, "path": path or None})
    if spec.kind in PLACED and not path and not connection.extra.get("path"):
        raise SpecError(
            f"Connection `{conn}` leads to {spec.kind}, of which a part must be named.",
            todo=f"Say which: --path {PLACED[spec.kind]}.",
        )
    migration = slug(name or (connection.schema if spec.kind in {"postgres", "mariadb"} else "") or conn)
    to_stdout = output == Path("-")
    folder = Path("dags/migrations")
    file = output or (folder if folder.is_dir() else Path()) / f"{migration}.yaml"
    if file.exists() and not force and not to_stdout:
        raise SpecError(f"{file} is there already.", todo="Name another with --output, or overwrite it with --force.")
    if not landing:
        landing = "s3://landing/lakeward" if os.environ.get(variable(landing_connection)) else "./landing"
    head = Draft(
        migration=migration,
        connection=conn,
        kind=spec.kind,
        path=path,
        target=target,
        landing=landing,
        landing_connection=landing_connection if landing.startswith("s3://") else "",
        time_zone=time_zone,
    )
    text = _drafted(open_source(spec, from_environment), tables or ["*.*"], head)
    if to_stdout:
        say(text.rstrip("\n"))
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    check_file(file)
    note(f"Wrote {file}. Next: lakeward plan {file}")


def _drafted(source: Source, patterns: list[str], head: Draft) -> str:
    from lakeward.domain.draft import draft_table, groups_of, unique_names
    from lakeward.domain.draft_text import write
    from lakeward.steps.plan import SAMPLE

    found = source.describe(patterns)
    names = unique_names(found)
    drafted = []
    with progressing() as progress:
        for n, table in enumerate(found):
            progress("look at tables", n, len(found))
            drafted.append(
                draft_table(table, names[table.label], lambda of, what: source.sample(of.schema, of.name, what, SAMPLE))
            )
    good = [one for one in drafted if one.plan]
    if not good:
        reasons = "".join(f"\n  {one.source.label}: {one.refused}" for one in drafted)
        raise SpecError(
            f"No table that matches {', '.join(patterns)} can be migrated.{reasons}",
            todo="Let them be read (`lakeward doctor` tells what is missing), or name others with --table.",
        )
    return write(head, groups_of(good), [one for one in drafted if not one.plan])

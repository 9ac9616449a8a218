"""`lakeward check`, `lakeward schema`: migration files, without asking any system."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from lakeward.cli.console import complain, exits, say
from lakeward.errors import LakewardError


@exits(2)
def check(files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Migration files.")]) -> None:
    """Check migration files: every problem with file, line, reason and what was meant. Asks no system.

    Exits 0 when all are good, 2 when one is not.

    Example: `lakeward check dags/migrations/*.yaml`
    """
    from lakeward.adapters.regex import regex_fault
    from lakeward.domain.words import counted
    from lakeward.steps.check import check_file

    bad = 0
    seen: dict[str, Path] = {}
    for path in files:
        try:
            spec = check_file(path, regex_fault).spec
        except LakewardError as error:
            complain(str(error))
            bad += 1
            continue
        if (other := seen.setdefault(spec.migration, path)) != path:
            complain(f"{other} and {path} both describe the migration `{spec.migration}`; give one another name.")
            bad += 1
            continue
        tables = sum(len(group.tables) for group in spec.groups)
        counts = (counted(len(spec.groups), "group"), counted(tables, "table"), counted(len(spec.kpis), "KPI"))
        say(f"{path}: good ({spec.pattern}, {', '.join(counts)})")
    if bad:
        raise typer.Exit(2)


@exits(2)
def schema(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="The reference (docs/migration-file.md) instead.")
    ] = False,
    types: Annotated[bool, typer.Option("--types", help="What becomes of each type (docs/types.md) instead.")] = False,
) -> None:
    """Print the JSON schema of migration files, for editors; or their reference, or the table of types.

    Editors with a YAML language server complete and check a file that begins with the line
    `# yaml-language-server: $schema=<path or URL of the schema>`.

    Example: `lakeward schema > migration.schema.json`
    """
    from lakeward.domain.types_page import types_page
    from lakeward.spec.reference import json_schema, reference

    say(types_page() if types else reference() if markdown else json.dumps(json_schema(), indent=2, ensure_ascii=False))

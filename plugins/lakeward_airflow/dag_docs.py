"""The documentation of a migration's DAG, in Markdown, from its file."""

from __future__ import annotations

from collections.abc import Iterator

from lakeward.spec.hybrid_checks import in_order
from lakeward.spec.models import (
    GroupSpec,
    Hybrid,
    HybridGroup,
    KpiSpec,
    Migration,
    Phased,
    PhasedGroup,
    StranglerFig,
    TableSpec,
    WaveSpec,
)
from lakeward.spec.wave_checks import waves_of


def migration_doc(spec: Migration, file_name: str) -> str:
    """What moves, in which groups, and which figures must be equal before anybody may switch."""
    return "\n".join(_lines(spec, file_name))


def maintenance_doc(spec: Migration, file_name: str) -> str:
    """What is tidied up, from which age, and what is spared."""
    rule = spec.maintenance
    return _MAINTENANCE.format(
        migration=spec.migration,
        file=file_name,
        namespace=spec.target.namespace,
        snapshots=rule.snapshots,
        keep_snapshots=rule.keep_snapshots,
        keep_cuts=rule.keep_cuts,
        leftovers=rule.leftovers,
        keep=spec.landing.keep,
    )


def _lines(spec: Migration, file_name: str) -> Iterator[str]:
    yield f"### {spec.migration}"
    if spec.description:
        yield from ("", spec.description)
    yield ""
    yield (
        f"Moves what `{spec.source.connection}` ({spec.source.kind}) holds into the Iceberg namespace "
        f"`{spec.target.namespace}` of `{spec.target.connection}`. Written in `{file_name}`."
    )
    yield from ("", "#### Entity groups", "Each is read at one cut and published at one instant.", "")
    for group in spec.groups:
        yield f"- **{group.name}**: {', '.join(_table(table) for table in group.tables)}{_references(group)}"
    yield from (
        "",
        "#### Business figures",
        "Compared to the cent before the gate opens.",
        f"Days are those of {spec.calendar.time_zone}, weeks start on {spec.calendar.week_starts}.",
        "",
        "| Figure | Measure | Table | By |",
        "| --- | --- | --- | --- |",
    )
    yield from (_kpi(kpi) for kpi in spec.kpis)
    if isinstance(spec, Hybrid):
        yield from ("", "#### Patterns", *(_by_pattern(group) for group in in_order(spec)), "", _HOW_HYBRID)
    elif isinstance(spec, Phased):
        yield from ("", "#### Waves", *(_wave(spec, wave) for wave in waves_of(spec)), "", _HOW_PHASED)
    else:
        yield from ("", _HOW_STRANGLER if isinstance(spec, StranglerFig) else _HOW)


def _wave(spec: Phased, wave: WaveSpec) -> str:
    by_name = {group.name: group for group in spec.groups}
    told = [f"{name} {_windows(by_name[name])}" for name in wave.groups]
    after = f", after {', '.join(wave.after)}" if wave.after else ""
    return f"- **{wave.name}**{after}: {'; '.join(told)}"


def _windows(group: PhasedGroup) -> str:
    window = group.window
    return f"by {window.size} of `{window.table}.{window.column}`" if window else "at once"


def _by_pattern(group: HybridGroup) -> str:
    after = f", after {', '.join(group.after)}" if group.after else ""
    how = f": {_windows(group)}, then it catches up" if group.pattern == "phased" else ""
    return f"- **{group.name}**, {group.pattern.replace('_', ' ')}{after}{how}"


def _table(table: TableSpec) -> str:
    children = [child.table for nested in table.flatten for child in nested.children]
    children += [child.table for nested in table.flatten for child in nested.maps]
    made = f" (and {', '.join(f'`{name}`' for name in children)} from its nested data)" if children else ""
    return f"`{table.table}`{made}"


def _references(group: GroupSpec) -> str:
    told = [f"`{r.table}` names `{r.to}`" for r in group.references]
    return f"; {', '.join(told)}" if told else ""


def _kpi(kpi: KpiSpec) -> str:
    by = [*(kpi.grains if kpi.date else ()), *kpi.dimensions]
    only = " (warns only)" if kpi.warn_only else ""
    only += f" (within {kpi.tolerance.told}, by {kpi.tolerance.owner})" if kpi.tolerance else ""
    measure = kpi.measure.replace("|", "\\|")
    return f"| {kpi.title or kpi.name}{only} | `{measure}` | `{kpi.table}` | {', '.join(by) or 'total'} |"


_HOW = """#### How a run goes
`plan` freezes this file and all schemas. Per group: `extract` lands one snapshot of the source, `prepare` creates or checks the
tables, `flatten` writes their data files, `validate` puts the record rules to them before anybody can read them, `append` lands each
batch exactly once and publishes the group, `compact` rewrites small files or watches the store's own compaction, `compare` holds until every figure
is equal. Then `gate` looks at all evidence, `approve` asks a person (under **Required Actions**), and `cut_over` moves the pointer.

Every task can be cleared and run again: what was done stays done. Trigger with `rehearsal` to prove everything and end before the
approval. Going back: the DAG `cutover`."""

_HOW_PHASED = """#### How a run goes
`plan` freezes this file and all schemas. Then each open wave: the task of a group takes window after window, each read at a cut of its own, flattened, validated, appended exactly once, published, compared and
put to its gate, until the budget is spent. `after_...` lets the next wave begin when every window is done and every gate is open; else it is skipped, until a later run.

A task that died is run again, or a new run is triggered: windows that are done stay done, and the one under way is gone on with. With `window` and `again`, or by a backfill, windows are read once more; their rows are replaced."""

_HOW_STRANGLER = """#### How a run goes
The first run loads: `load_once` freezes this file and all schemas, `extract` makes the slot and lands the snapshot that belongs to it, then `prepare`, `flatten`, `validate`, `append` and `compare` as at any cut. Every later run, and the rest of the
first, is a tenure: `serve` applies what the source has committed, batch by batch, publishes each at once, and at its end compares both sides at one position of the log; it fails when something differs. `compact` folds in what changes left behind.

A task that died is run again and goes on where the lake is. With `new` the group is loaded once more."""

_HOW_HYBRID = """#### How a run goes
`plan` freezes this file and all schemas. Then each group by its own pattern, a group behind those that it comes after; one that fails or is held stops those behind it and no other. A group that is there stays in parity:
`compare_again` compares what was lifted with the source as it is now and reads it anew when it differs, `windows` catches up once all windows are done, `serve` applies the source's changes and compares.
`gate` puts all groups to one gate when every one is there; as long as windows are left it is skipped. Cutting over all of them at one instant: the DAG `cutover`.

A task that died is run again; what was done stays done. With `new` everything that is loaded at one cut is loaded once more."""

_MAINTENANCE = """### Maintenance of {migration}
Works on the tables of namespace `{namespace}` and on the landing; safe beside runs of the migration. Written in `{file}`.

- **compact** looks for small files.
- **expire** forgets snapshots older than {snapshots}, the newest {keep_snapshots} of a branch aside, and tags of cuts but the newest
  {keep_cuts}. Whatever a pointer, another tag, a run that may go on or the way back needs is spared.
- **clean** removes files older than {leftovers} that nothing names, and landed rows {keep} after their last use.

Triggered by hand it is a **dry run** unless you say otherwise: results and logs tell what, where, how much and why."""

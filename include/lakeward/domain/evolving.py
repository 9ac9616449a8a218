"""What has come apart between a lake table that is there and what source and file say now, and what the declared policy makes of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from lakeward.domain.facts import LakeColumn, LakeTable, LiveColumn, LiveTable
from lakeward.domain.source_facts import SourceColumn, SourceTable
from lakeward.spec.models import DriftSpec, TableSpec
from lakeward.spec.scalars import LakeType

_WIDER = {("int", "long"), ("float", "double")}
_GLOB = re.compile(r"([*?[])")


@dataclass(frozen=True, slots=True)
class Evolved:
    """A table as it is to be. ``held`` are changes that nothing permits, each with what to write; ``narrower`` are source columns whose
    type holds less than the lake's, ``fitted`` those of another type that are carried as the lake's."""

    table: LakeTable
    held: tuple[str, ...] = ()
    narrower: dict[str, LakeType] = field(default_factory=dict)
    fitted: dict[str, LakeType] = field(default_factory=dict)


def policy_of(every: DriftSpec, table: TableSpec) -> DriftSpec:
    """The migration's policy, less what a table says otherwise."""
    own = table.drift
    return every.model_copy(update={name: getattr(own, name) for name in own.model_fields_set}) if own else every


def widens(have: str, want: str) -> bool:
    """Whether Iceberg lets a column of one lake type become another without a file being rewritten."""
    before, after = LakeType(have).decimal, LakeType(want).decimal
    if before and after:
        return before[1] == after[1] and before[0] < after[0]
    return (have, want) in _WIDER


def without(spec: TableSpec, names: Iterable[str]) -> TableSpec:
    """The table without these columns of the source."""
    return spec.model_copy(update={"drop": (*spec.drop, *(_GLOB.sub(r"[\1]", name) for name in names))})


def forgetting(spec: TableSpec, source: SourceTable, live: LiveTable) -> TableSpec:
    """What a table says of columns that the source has lost and the lake still has is left out."""
    there, kept = {c.name for c in live.columns}, {c.name for c in source.columns}

    def lost(name: str) -> bool:
        return name not in kept and spec.rename.get(name, name) in there

    words = ("mask", "rename", "types", "special")
    parts = {word: {n: v for n, v in getattr(spec, word).items() if not lost(n)} for word in words}
    return spec.model_copy(update=parts)


def ignored(spec: TableSpec, source: SourceTable, live: LiveTable) -> tuple[SourceColumn, ...]:
    """Columns of the source that the lake's table does not have, and that the file says nothing of."""
    there = {c.name for c in live.columns if not c.gone}
    told = {*(spec.key or source.primary_key), *(rule.column for rule in spec.flatten)}
    return tuple(
        c
        for c in source.columns
        if spec.rename.get(c.name, c.name) not in there | told
        and c.name not in told
        and not any(fnmatchcase(c.name, pattern) for pattern in spec.drop)
    )


def evolve(
    table: LakeTable,
    live: LiveTable,
    policy: DriftSpec,
    behind: Sequence[tuple[str, str]] = (),
    fitted: Collection[str] = (),
) -> Evolved:
    """Let a table follow what has changed, as far as the policy goes.

    :param behind: new columns of the source that are left behind, with the types that they would have.
    :param fitted: columns of the source that are carried as the lake's type by now, though they are of another.
    """
    work = _Evolving(table, {c.name: c for c in live.columns}, policy, behind, fitted)
    columns = [work.column(c) for c in table.columns]
    gone = list(work.gone())
    made = replace(table, columns=(*columns, *gone), evolve=tuple(work.allowed), drift=tuple(work.told))
    return Evolved(made, (*work.renamed, *work.held), work.narrower, work.fitted)


def evolve_new(table: LakeTable, main: LiveTable, policy: DriftSpec) -> Evolved:
    """A child table that is not there, of a table that is."""
    what = f"table {table.name} (a {table.kind} in {table.source!r}) is new"
    if not main.filled:
        return Evolved(table)
    if policy.added == "evolve":
        return Evolved(replace(table, drift=(f"{what}: rows that were there before have none in it",)))
    leave = f"declare {table.source!r} under `flatten` without it"
    return Evolved(table, (f"{what}: write `drift: {{added: evolve}}` to fill it from now on, or {leave}",))


class _Evolving:
    """One table."""

    def __init__(
        self,
        table: LakeTable,
        live: dict[str, LiveColumn],
        policy: DriftSpec,
        behind: Sequence[tuple[str, str]],
        fitted: Collection[str],
    ) -> None:
        self._table, self._live, self._policy, self._kept = table, live, policy, frozenset(fitted)
        self.held: list[str] = []
        self.told = [f"column {name!r} is new at the source and left behind, as `drift` says" for name, _ in behind]
        self.allowed: list[str] = []
        self.narrower: dict[str, LakeType] = {}
        self.fitted: dict[str, LakeType] = {}
        names = {c.name for c in table.columns}
        self._gone = [c for c in live.values() if c.name not in names]
        new = [
            (c.source, c.name, c.type) for c in table.columns if self._is_new(c) and c.role == "value" and not c.path
        ]
        self.renamed, self._paired = self._pair([*new, *((name, name, kind) for name, kind in behind)])

    def _is_new(self, column: LakeColumn) -> bool:
        there = self._live.get(column.name)
        return there is None or there.gone

    def _pair(self, new: Iterable[tuple[str, str, str]]) -> tuple[list[str], set[str]]:
        """Columns that may be others under new names, in words, and all of their names; only what has gone just now."""
        if self._policy.renamed == "apart":
            return [], set()
        pairs = [(old.name, *one) for old in self._gone if not old.gone for one in new if same(one[2], old.type)]
        told = [
            f"column {old!r} is gone and {name!r}, of the same type, is new: if it is the same under another name, write "
            f"`rename: {{{source}: {old}}}`; if not, `drift: {{renamed: apart}}`"
            for old, source, name, _ in pairs
        ]
        return told, {name for old, _, name, _ in pairs} | {old for old, *_ in pairs}

    def column(self, column: LakeColumn) -> LakeColumn:
        """A column of the plan."""
        there = self._live.get(column.name)
        if there is None or there.gone:
            self._add(column, back=there is not None)
        if there is None:
            return replace(column, required=False)
        if not same(there.type, column.type):
            return self._retype(column, there)
        if column.source in self._kept and column.role == "value":
            self.told.append(
                f"column {column.name!r} is of another type at the source and goes on as {there.type}: rows that don't fit it are quarantined"
            )
            self.allowed += [column.name] if there.required else []
            return replace(column, required=False)
        if there.required and not column.required:
            self._relax(column, there)
        return replace(column, required=column.required and there.required)

    def _add(self, column: LakeColumn, *, back: bool) -> None:
        what = f"column {column.name!r} ({column.type}) is {'back' if back else 'new'}"
        if self._policy.added == "evolve":
            self.allowed.append(column.name)
            self.told.append(f"{what} and carried from this run on")
            return
        inside = column.path or column.role != "value"
        leave = "declare `fields` without it" if inside else f"`drop: [{column.source}]`"
        self._hold(
            column.name,
            f"{what}: write `drift: {{added: evolve}}` to carry it from now on, or {leave} to leave it behind",
        )

    def _hold(self, name: str, told: str) -> None:
        if name not in self._paired:
            self.held.append(told)

    def _retype(self, column: LakeColumn, there: LiveColumn) -> LakeColumn:
        what = f"column {column.name!r} was {there.type} and is {column.type}"
        plain = column.role == "value" and not column.path and self._table.kind == "main"
        if plain and widens(column.type, there.type):
            self.narrower[column.source] = LakeType(there.type)
            return column
        free = plain and not (there.partitioned or there.key)
        if free and not widens(there.type, column.type) and self._policy.retyped == "quarantine":
            self.fitted[column.source] = LakeType(there.type)
            return column
        before = f"`types: {{{column.source}: '{there.type}'}}`" if plain else f"`fields` with the type {there.type}"
        if not widens(there.type, column.type) or there.partitioned:
            why = (
                "partitions are made of it"
                if there.partitioned
                else "the lake's column can't become that unless its files are rewritten"
            )
            self.held.append(
                f"{what}, and {why}: write {before} if it still holds all values, or `rename: {{{column.source}: {column.name}_2}}` with "
                "`drift: {added: evolve, dropped: evolve, renamed: apart}` to carry it as a column of its own, or `drift: {retyped: "
                "quarantine}` to set rows aside that don't fit"
            )
        elif self._policy.widened == "evolve":
            self.allowed.append(column.name)
            self.told.append(what)
        else:
            self.held.append(
                f"{what}: write `drift: {{widened: evolve}}` to widen the lake's column, or {before} to go on as before, which refuses "
                "what does not fit"
            )
        return replace(column, required=column.required and there.required)

    def _relax(self, column: LakeColumn, there: LiveColumn) -> None:
        what = f"column {column.name!r} was not null and may be null now"
        if there.key:
            self.held.append(f"{what}, but it is of the key: name another `key`, and move the table anew")
        elif self._policy.widened == "evolve":
            self.allowed.append(column.name)
            self.told.append(what)
        else:
            self.held.append(f"{what}: write `drift: {{widened: evolve}}`")

    def gone(self) -> Iterator[LakeColumn]:
        """Columns that only the lake has."""
        for one in self._gone:
            what = f"column {one.name!r} ({one.type}) is gone"
            if one.key or one.partitioned:
                self._hold(one.name, f"{what}, but rows are told apart or partitioned by it: move the table anew")
            elif self._policy.dropped == "evolve":
                self.allowed.append(one.name)
                self.told.append(
                    f"{what}: the lake keeps it, null in all that is written since, and it is not compared"
                )
            else:
                self._hold(
                    one.name, f"{what}: write `drift: {{dropped: evolve}}` to keep it in the lake, null from now on"
                )
            yield LakeColumn(one.name, one.type, required=False, role="gone", source="")


def same(one: str, other: str) -> bool:
    """Whether two lake types are one in Iceberg, where JSON is text."""
    return one.replace("json", "string") == other.replace("json", "string")

"""A record as SQL: what is declared of it is read in one pass each for types, keys and texts; values and shape follow from those."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from lakeward.domain.json_numbers import number_text, unquote_numbers
from lakeward.domain.json_values import is_numeric, json_type_of, value_sql
from lakeward.domain.sql import ident, text
from lakeward.errors import UnsupportedError
from lakeward.spec.paths import format_path

Path: TypeAlias = tuple[str, ...]
OBJECT, LIST, MAP, JSON = "object", "list", "map", "json"
CONTAINERS = {OBJECT: "OBJECT", LIST: "ARRAY", MAP: "OBJECT"}


def pointer(path: Path) -> str:
    """The path as a JSON pointer, which takes every key; ``$`` is the whole."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in path) or "$"


def json_path(path: Path, every: str, below: Path = ()) -> str:
    """SQL text of the JSON path of ``below`` in every member (``[*]``) or value (``.*``) at ``path``.

    :raises UnsupportedError: a key is empty, which DuckDB's paths have no form for.
    """
    if "" in (*path, *below):
        raise UnsupportedError(
            f"The path {format_path((*path, *below))} goes through a list or map and has an empty key, which is not carried.",
            todo="Declare the field above it as json.",
        )
    return text(f"${_steps(path)}{every}{_steps(below)}")


def _steps(path: Path) -> str:
    return "".join('."' + key.replace("\\", "\\\\").replace('"', '\\"') + '"' for key in path)


def sql_list(values: Iterable[str]) -> str:
    """A list of texts."""
    return f"[{', '.join(text(value) for value in values)}]"


@dataclass(frozen=True, slots=True)
class Record:
    """What is declared of a record.

    ``name`` begins the names of the columns that hold what was read of it. ``entries`` are the declared paths and the objects on
    the way to them, in declared order, the root first, each with its lake type or ``object``, ``list``, ``map``. ``keyed``: the
    keys of its objects are read too. ``judged``: only what tells whether it fits is read, no values. ``exact``: no number is quoted.
    """

    name: str
    entries: tuple[tuple[Path, str], ...]
    keyed: bool
    judged: bool
    exact: bool

    @classmethod
    def of(
        cls,
        name: str,
        fields: Sequence[tuple[Path, str]],
        lists: Iterable[Path] = (),
        maps: Iterable[Path] = (),
        *,
        keyed: bool = False,
        judged: bool = False,
        exact: bool = False,
        whole: bool = False,
    ) -> Record:
        """A record with these paths; without any it is an object, or anything when ``whole``."""
        entries: dict[Path, str] = {}
        for path, kind in (*fields, *((p, LIST) for p in lists), *((p, MAP) for p in maps)):
            for depth in range(len(path)):
                entries.setdefault(path[:depth], OBJECT)
            entries[path] = kind
        return cls(name, tuple(entries.items()) or (((), JSON if whole else OBJECT),), keyed, judged, exact)

    # --- what is read of it -------------------------------------------------------------------------------------------

    @property
    def doc(self) -> str:
        """The column with the record's text, NULL where it is none."""
        return ident(f"{self.name}doc")

    @property
    def quoted(self) -> str:
        """The column with the text with its numbers quoted, where that is needed; else NULL."""
        return ident(f"{self.name}quoted")

    def paths(self, *kinds: str) -> list[Path]:
        """Entries of these kinds."""
        return [path for path, kind in self.entries if kind in kinds]

    @property
    def scalars(self) -> list[Path]:
        """Entries whose text is read."""
        return [
            path
            for path, kind in self.entries
            if kind not in {*CONTAINERS, JSON} and not (self.judged and json_type_of(kind))
        ]

    @property
    def levels(self) -> dict[Path, tuple[str, ...]]:
        """The objects, each with its declared keys."""
        return {
            level: tuple(path[-1] for path, _ in self.entries if path and path[:-1] == level)
            for level in self.paths(OBJECT)
        }

    @property
    def _pointers(self) -> list[str]:
        # the first item tells whether a list is empty
        return [pointer(path) for path, _ in self.entries] + [pointer((*path, "0")) for path in self.paths(LIST)]

    @property
    def _keys(self) -> list[Path]:
        return [*(self.paths(OBJECT) if self.keyed else ()), *self.paths(MAP)]

    def types_and_keys(self) -> list[str]:
        """Columns made of ``doc``, which tells strings from numbers also where they are quoted."""
        made = [f"json_type({self.doc}, {sql_list(self._pointers)}) AS {ident(self.name + 'types')}"]
        if self._keys:
            pointers = sql_list(map(pointer, self._keys))
            made.append(f"json_keys({self.doc}, {pointers}) AS {ident(self.name + 'keys')}")
        return made

    @property
    def _best(self) -> str:
        return f"coalesce({self.quoted}, {self.doc})"

    def texts(self) -> list[str]:
        """Columns made of ``quoted``, or ``doc`` where there is none."""
        best, made = self._best, []
        if self.scalars:
            strings = sql_list(map(pointer, self.scalars))
            made.append(f"json_extract_string({best}, {strings}) AS {ident(self.name + 'strings')}")
        if self.paths(JSON) and not self.judged:
            pointers = sql_list(map(pointer, self.paths(JSON)))
            made.append(f"json_extract({best}, {pointers}) AS {ident(self.name + 'parts')}")
        return made

    # --- what follows from that ---------------------------------------------------------------------------------------

    def type(self, path: Path) -> str:
        """DuckDB's JSON type of what stands at a path: NULL where it is missing, ``'NULL'`` where it is null."""
        return f"{ident(self.name + 'types')}[{self._pointers.index(pointer(path)) + 1}]"

    def keys(self, path: Path) -> str:
        """The keys of an object or map."""
        return f"{ident(self.name + 'keys')}[{self._keys.index(path) + 1}]"

    def no_keys(self, path: Path) -> str:
        """Whether a map is empty."""
        return f"len({self.keys(path)}) = 0"

    def string(self, path: Path) -> str:
        """The text of a scalar."""
        return f"{ident(self.name + 'strings')}[{self.scalars.index(path) + 1}]"

    def shown(self, path: Path) -> str:
        """The text of a scalar, read once more: for the few records that have a fault."""
        return f"json_extract_string({self._best}, {text(pointer(path))})"

    def value(self, path: Path) -> str:
        """The value at a path, NULL where it is null or missing or does not fit."""
        kind = dict(self.entries)[path]
        if kind != JSON:
            string = self.string(path)
            string = number_text(string) if is_numeric(kind) and not self.exact else string
            return value_sql(kind, self.type(path), string)
        part = f"{ident(self.name + 'parts')}[{self.paths(JSON).index(path) + 1}]::VARCHAR"
        written = f"CASE WHEN {self.quoted} IS NULL THEN {part} ELSE {unquote_numbers(part)} END"
        return f"CASE WHEN {self.type(path)} <> 'NULL' THEN {written} END"

    def shape(self) -> str:
        """Which entries are null, missing or empty: NULL when none is. What is below an absent object is not listed."""
        parts = [self._absence(path, kind) for path, kind in self.entries if path or kind in {LIST, MAP}]
        listed = f"nullif(concat_ws(',', {', '.join(parts)}), '')" if parts else "NULL"
        return f"CASE WHEN {self.type(())} = 'NULL' THEN '$:null' ELSE {listed} END"

    def _absence(self, path: Path, kind: str) -> str:
        label, found, cases = format_path(path), self.type(path), []
        if path:
            cases.append(f"WHEN {found} IS NULL AND {self.type(path[:-1])} = 'OBJECT' THEN {text(f'{label}:missing')}")
            cases.append(f"WHEN {found} = 'NULL' THEN {text(f'{label}:null')}")
        if kind == LIST:
            first = self.type((*path, "0"))
            cases.append(f"WHEN {found} = 'ARRAY' AND {first} IS NULL THEN {text(f'{label}:empty')}")
        if kind == MAP:
            cases.append(f"WHEN {found} = 'OBJECT' AND {self.no_keys(path)} THEN {text(f'{label}:empty')}")
        return f"CASE {' '.join(cases)} END"

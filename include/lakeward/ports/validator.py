"""Record rules and what puts them to files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lakeward.domain.facts import LakeTable
from lakeward.domain.file_facts import FileFact, FileSet, StorageAccess
from lakeward.ports.source import Progress
from lakeward.spec.rules import Rule


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules of one lake table and the files that they are put to; ``others`` are the tables its references name."""

    table: LakeTable
    rules: tuple[Rule, ...]
    references: tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...]  # columns, other table, its columns


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule found. ``error`` is set when it could not be evaluated. ``keys`` are the first failing keys or values.

    A rule on a figure of the whole table has checked one; ``keys`` then tell what was found. ``keys_file`` holds the keys of
    all failing rows.
    """

    table: str
    rule: str
    severity: str
    passed: bool
    checked: int
    failed: int
    error: str = ""
    keys: tuple[str, ...] = ()
    keys_file: FileFact | None = None


class Validator(Protocol):
    """Puts record rules to files."""

    def validate(
        self,
        sets: Sequence[RuleSet],
        inputs: Mapping[str, FileSet],
        keep: str,
        access: StorageAccess,
        progress: Progress,
    ) -> tuple[RuleResult, ...]:
        """Per set the results of its rules, then of its references, each in their order.

        The keys of all rows that fail go to Parquet files below ``keep`` (a folder's URL). Failing rules never raise, unknown
        ones do (SpecError).
        """

"""Hybrid migrations: each group by the pattern that suits it, joined at one gate."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lakeward.spec.migration import CompactionSpec, LiftAndShift, Migration
from lakeward.spec.phased import Paced, Phased
from lakeward.spec.scalars import LakeName
from lakeward.spec.strangler import Followed, StranglerFig
from lakeward.spec.tables import GroupSpec
from lakeward.spec.waves import PhasedGroup

Alone = LiftAndShift | Phased | StranglerFig
_ALONE: dict[str, type[Alone]] = {"lift_and_shift": LiftAndShift, "phased": Phased, "strangler_fig": StranglerFig}


class HybridGroup(PhasedGroup):
    """Entities that belong together: read and published by the group's own pattern."""

    pattern: Literal["lift_and_shift", "phased", "strangler_fig"] = Field(
        description="`lift_and_shift`: read at one cut, compared again by each run, and read anew when it differs. `phased`: by `window`, "
        "then `catch_up`. `strangler_fig`: loaded once, then `changes` are applied."
    )
    after: tuple[LakeName, ...] = Field(
        (),
        description="Groups that must be there first: those that this one's rows refer to. Independent groups neither wait for each other "
        "nor hold each other up.",
    )


class Hybrid(Paced, Followed):
    """Each group by the pattern that suits it, joined at one gate and cut over at one instant. The keys of phased migrations, `waves` aside, and of strangler figs hold for the groups of those patterns."""

    pattern: Literal["hybrid"] = Field(description="`hybrid`: each group by a pattern of its own, joined at one gate.")
    groups: tuple[HybridGroup, ...] = Field(
        min_length=1, description="Entities that belong together, with the pattern that each group is moved by."
    )

    def alone(self, name: str) -> Alone:
        """The migration of one group as its own pattern has it. Files of windows are not compacted: each belongs to one window."""
        group = next(one for one in self.groups if one.name == name)
        kind = _ALONE[group.pattern]
        part = PhasedGroup if kind is Phased else GroupSpec
        values = {field: getattr(self, field) for field in kind.model_fields if field in Hybrid.model_fields}
        values["pattern"] = group.pattern
        values["groups"] = (part.model_construct(**{field: getattr(group, field) for field in part.model_fields}),)
        if "reports" in values:
            values["reports"] = tuple(report for report in self.reports if report.group == name)
        if kind is Phased:
            values |= {"waves": (), "compaction": CompactionSpec()}
        return kind.model_construct(**values)


def alone(spec: Migration, name: str) -> Migration:
    """The migration as the pattern of one of its groups has it: one of that group alone, where each has its own."""
    return spec.alone(name) if isinstance(spec, Hybrid) else spec

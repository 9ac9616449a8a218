"""Phased migrations: waves of groups, each group in windows, on a schedule and within a budget."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lakeward.spec.meters import Metered
from lakeward.spec.waves import BudgetSpec, PhasedGroup, Schedule, ThrottleSpec, WaveSpec


class Paced(Metered):
    """What every pattern has whose runs begin by themselves and whose groups catch up with a source that goes on being written."""

    schedule: Schedule | None = Field(
        None, description="When a run begins by itself, in the `calendar`'s time zone; default is never."
    )
    budget: BudgetSpec = Field(BudgetSpec(), description="What one run may take.")
    throttle: ThrottleSpec | None = Field(None, description="When the source is left in peace.")


class Phased(Paced):
    """Scheduled waves by entity group and window, within a budget."""

    pattern: Literal["phased"] = Field(description="`phased`: waves of groups, each group in windows, on a schedule.")
    groups: tuple[PhasedGroup, ...] = Field(
        min_length=1,
        description="Entities that belong together: each group is read at one cut per window, published at one instant.",
    )
    waves: tuple[WaveSpec, ...] = Field(
        (), description="Groups in the order of their phases; default is a wave for each group, as written."
    )

"""Phased migrations: waves of groups, each group in windows, on a schedule and within a budget."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lakeward.spec.migration import Migration
from lakeward.spec.scalars import Identifier, Span
from lakeward.spec.tables import Spec
from lakeward.spec.waves import BudgetSpec, PhasedGroup, Schedule, ThrottleSpec, WaveSpec


class FreezeSpec(Spec):
    """How writers are kept out of the source while it is synchronised for the last time. Only names stand here; what they do is the source's own affair.

    `procedure`: two procedures without arguments, `schema.name`, that are called at a connection of type `postgres`. `http`: two
    paths that are posted to at a connection of type `http`. Both must bear being called again.
    """

    kind: Literal["procedure", "http"] = Field("procedure", description="What `freeze` and `lift` name.")
    connection: Identifier = Field(
        description="Id of the Airflow connection that is used for nothing else; its role needs no more than to call these two."
    )
    freeze: str = Field(min_length=1, description="Keeps writers out: `schema.procedure`, or a path.")
    lift: str = Field(min_length=1, description="Lets them in again.")
    limit: Span = Field(
        Span("1h"),
        description="The freeze is lifted when nothing was switched until then; approving takes part of that time.",
    )


class Paced(Migration):
    """What every pattern has whose runs begin by themselves and whose groups catch up with a source that goes on being written."""

    schedule: Schedule | None = Field(
        None, description="When a run begins by itself, in the `calendar`'s time zone; default is never."
    )
    budget: BudgetSpec = Field(BudgetSpec(), description="What one run may take.")
    throttle: ThrottleSpec | None = Field(None, description="When the source is left in peace.")
    freeze: FreezeSpec | None = Field(
        None,
        description="How the source is frozen for the cutover; without it, the approver freezes it by hand and says so.",
    )


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

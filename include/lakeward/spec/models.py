"""Every model of a migration file, as frozen models that refuse unknown keys: one file for each pattern beside what all have."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lakeward.spec.calendar import CalendarSpec, FiscalSpec, Grain
from lakeward.spec.hybrid import Hybrid, HybridGroup
from lakeward.spec.meters import CostsSpec, Metered, PriceSpec, ReportSpec, SlaSpec
from lakeward.spec.migration import (
    CompactionSpec,
    CutoverSpec,
    Freezable,
    FreezeSpec,
    GateSpec,
    HandSpec,
    KpiSpec,
    LandingSpec,
    LiftAndShift,
    MaintenanceSpec,
    Migration,
    ParitySpec,
    SourceSpec,
    TargetSpec,
    ToleranceSpec,
)
from lakeward.spec.phased import Paced, Phased
from lakeward.spec.strangler import ChangesSpec, Followed, StranglerFig
from lakeward.spec.tables import (
    ChildSpec,
    DriftSpec,
    FieldMap,
    Filter,
    FilterOp,
    FlattenSpec,
    GroupSpec,
    MaskMethod,
    QuarantineSpec,
    Reference,
    Spec,
    SpecialPolicy,
    TableSpec,
)
from lakeward.spec.waves import (
    BudgetSpec,
    CatchUpSpec,
    PhasedGroup,
    ThrottleSpec,
    WatermarkSpec,
    WaveSpec,
    WindowSpec,
)

__all__ = [
    "AnyMigration",
    "BudgetSpec",
    "CalendarSpec",
    "CatchUpSpec",
    "ChangesSpec",
    "ChildSpec",
    "CompactionSpec",
    "CostsSpec",
    "CutoverSpec",
    "DriftSpec",
    "FieldMap",
    "Filter",
    "FilterOp",
    "FiscalSpec",
    "FlattenSpec",
    "Followed",
    "Freezable",
    "FreezeSpec",
    "GateSpec",
    "Grain",
    "GroupSpec",
    "HandSpec",
    "Hybrid",
    "HybridGroup",
    "KpiSpec",
    "LandingSpec",
    "LiftAndShift",
    "MaintenanceSpec",
    "MaskMethod",
    "Metered",
    "Migration",
    "Paced",
    "ParitySpec",
    "Phased",
    "PhasedGroup",
    "PriceSpec",
    "QuarantineSpec",
    "Reference",
    "ReportSpec",
    "SlaSpec",
    "SourceSpec",
    "Spec",
    "SpecialPolicy",
    "StranglerFig",
    "TableSpec",
    "TargetSpec",
    "ThrottleSpec",
    "ToleranceSpec",
    "WatermarkSpec",
    "WaveSpec",
    "WindowSpec",
]

AnyMigration = Annotated[LiftAndShift | Phased | StranglerFig | Hybrid, Field(discriminator="pattern")]

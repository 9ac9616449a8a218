"""Record rules as data: the expectation, its arguments, and how bad a failure is."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from lakeward.spec.scalars import Scalar


class Rule(BaseModel):
    """One Great Expectations expectation, by its type and arguments."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    expect: str = Field(
        pattern=r"^expect_[a-z_]+$",
        description="Type of the expectation, as `expect_column_values_to_be_between`; those that run SQL of their own are refused.",
    )
    args: dict[str, Scalar | tuple[Scalar, ...] | None] = Field(
        default_factory=dict, description="Its arguments: `column`, `min_value`, `value_set`, `regex`, `mostly`, ..."
    )
    severity: Literal["fail", "warn"] = Field("fail", description="`fail` holds the append, `warn` is only shown.")
    why: str = Field("", description="Shown in the report.")

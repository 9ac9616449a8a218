"""Meters of increments and of days: latencies, freshness, volumes and failures of both sides."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "lakeward_meters",
        sa.Column("migration", sa.Text, nullable=False),
        sa.Column("group_name", sa.Text, nullable=False),
        sa.Column("day", sa.Text, nullable=False),
        sa.Column("run_began", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("migration", "group_name", "day", "run_began", name="lakeward_meters_pk"),
    )


def downgrade() -> None:
    """Take it away."""
    op.drop_table("lakeward_meters")

"""What stands of each migration and group, and an index that answers for outcomes without their bodies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table and the index."""
    op.create_table(
        "lakeward_standing",
        sa.Column("migration", sa.Text, nullable=False),
        sa.Column("group_name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("migration", "group_name", "kind", name="lakeward_standing_pk"),
    )
    op.create_index(
        "lakeward_verdicts_outcomes",
        "lakeward_verdicts",
        ["migration", "group_name", "kind", "subject", "decided_at", "number", "cut_id", "outcome"],
    )


def downgrade() -> None:
    """Take them away."""
    op.drop_index("lakeward_verdicts_outcomes", "lakeward_verdicts")
    op.drop_table("lakeward_standing")

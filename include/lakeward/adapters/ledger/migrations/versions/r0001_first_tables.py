"""Steps, verdicts and transitions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the first three tables."""
    op.create_table(
        "lakeward_steps",
        sa.Column("migration", sa.Text, nullable=False),
        sa.Column("run_key", sa.Text, nullable=False),
        sa.Column("group_name", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("migration", "run_key", "group_name", "step", "started_at", name="lakeward_steps_pk"),
    )
    op.create_table(
        "lakeward_verdicts",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("migration", sa.Text, nullable=False),
        sa.Column("group_name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("inputs_hash", sa.Text, nullable=False),
        sa.Column("cut_id", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("decided_at", INSTANT, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index(
        "lakeward_verdicts_inputs",
        "lakeward_verdicts",
        ["migration", "group_name", "kind", "subject", "inputs_hash"],
        unique=True,
    )
    op.create_table(
        "lakeward_transitions",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("migration", sa.Text, nullable=False),
        sa.Column("run_key", sa.Text, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("lakeward_transitions_content", "lakeward_transitions", ["content_hash"], unique=True)
    op.create_index("lakeward_transitions_migration", "lakeward_transitions", ["migration", "at"])


def downgrade() -> None:
    """Take them away."""
    for table in ("lakeward_transitions", "lakeward_verdicts", "lakeward_steps"):
        op.drop_table(table)

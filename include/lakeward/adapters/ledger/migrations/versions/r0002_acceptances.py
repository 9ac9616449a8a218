"""Differences that somebody has accepted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "lakeward_acceptances",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("content_hash", sa.Text, nullable=False),
        sa.Column("migration", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("lakeward_acceptances_content", "lakeward_acceptances", ["content_hash"], unique=True)
    op.create_index("lakeward_acceptances_migration", "lakeward_acceptances", ["migration", "at"])


def downgrade() -> None:
    """Take it away."""
    op.drop_table("lakeward_acceptances")

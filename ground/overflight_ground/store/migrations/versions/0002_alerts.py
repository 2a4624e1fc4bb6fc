"""Alerts: what was out of the ordinary, with evidence, and who saw it."""

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
        "alerts",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
        ),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("flight", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("begin_at_ns", sa.BigInteger, nullable=False),
        sa.Column("end_at_ns", sa.BigInteger),
        sa.Column("raised_at_ns", sa.BigInteger, nullable=False),
        sa.Column("acked_at_ns", sa.BigInteger),
        sa.Column("acked_by", sa.Text),
        sa.Column("lat_deg", sa.Float),
        sa.Column("lon_deg", sa.Float),
        sa.Column("evidence", sa.Text, nullable=False),
    )
    op.create_index("alerts_payload", "alerts", ["payload", "flight", "begin_at_ns"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("alerts")

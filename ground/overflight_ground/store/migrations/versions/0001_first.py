"""The first tables: messages, quarantine, flights, and what recovery and audit fill."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "meta",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    _messages()
    _quarantine()
    _flights()
    _recovered()


def downgrade() -> None:
    """Drop them all."""
    for table in (
        "audits",
        "pictures",
        "recoveries",
        "flights",
        "quarantine",
        "messages",
        "meta",
    ):
        op.drop_table(table)


def _messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", BIG_ID, primary_key=True, autoincrement=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("flight", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("held_from", sa.BigInteger, nullable=False),
        sa.Column("measured_at_ns", sa.BigInteger, nullable=False),
        sa.Column("received_at_ns", sa.BigInteger, nullable=False),
        sa.Column("stored_at_ns", sa.BigInteger, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("qos", sa.SmallInteger, nullable=False),
        sa.Column("retained", sa.Boolean, nullable=False),
        sa.Column("dup", sa.Boolean, nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("suspect", sa.Text),
        sa.Column("lat_deg", sa.Float),
        sa.Column("lon_deg", sa.Float),
        sa.Column("alt_msl_m", sa.Float),
        sa.Column("alt_hae_m", sa.Float),
        sa.Column("fix", sa.Text),
        sa.Column("sats", sa.SmallInteger),
        sa.Column("hdop", sa.Float),
        sa.Column("track_deg", sa.Float),
        sa.Column("speed_mps", sa.Float),
        sa.Column("climb_mps", sa.Float),
        sa.Column("phase", sa.Text),
        sa.Column("waypoint", sa.SmallInteger),
        sa.Column("waypoint_distance_m", sa.Integer),
        sa.Column("waypoint_bearing_deg", sa.Float),
        sa.Column("cross_track_m", sa.Integer),
        sa.UniqueConstraint("payload", "flight", "seq", name="messages_payload_flight_seq_key"),
    )
    op.create_index("messages_track", "messages", ["payload", "flight", "measured_at_ns"])


def _quarantine() -> None:
    op.create_table(
        "quarantine",
        sa.Column("id", BIG_ID, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("received_at_ns", sa.BigInteger, nullable=False),
        sa.Column("last_at_ns", sa.BigInteger, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("payload", sa.Text),
        sa.Column("flight", sa.Text),
        sa.Column("seq", sa.BigInteger),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("qos", sa.SmallInteger, nullable=False),
        sa.Column("retained", sa.Boolean, nullable=False),
        sa.Column("dup", sa.Boolean, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
    )
    op.create_index("quarantine_identity", "quarantine", ["payload", "flight", "seq"])


def _flights() -> None:
    op.create_table(
        "flights",
        sa.Column("payload", sa.Text, primary_key=True),
        sa.Column("flight", sa.Text, primary_key=True),
        sa.Column("first_at_ns", sa.BigInteger),
        sa.Column("last_at_ns", sa.BigInteger),
        sa.Column("first_received_at_ns", sa.BigInteger, nullable=False),
        sa.Column("last_received_at_ns", sa.BigInteger, nullable=False),
        sa.Column("messages", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("duplicates", sa.BigInteger, nullable=False),
        sa.Column("quarantined", sa.BigInteger, nullable=False),
        sa.Column("conflicts", sa.BigInteger, nullable=False),
        sa.Column("through", sa.BigInteger, nullable=False),
        sa.Column("held_from", sa.BigInteger, nullable=False),
        sa.Column("given_up", sa.BigInteger, nullable=False),
        sa.Column("simulated", sa.Boolean, nullable=False),
    )


def _recovered() -> None:
    op.create_table(
        "recoveries",
        sa.Column("id", BIG_ID, primary_key=True),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("flight", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("recovered_at_ns", sa.BigInteger, nullable=False),
        sa.Column("chain_ok", sa.Boolean, nullable=False),
        sa.Column("pictures", sa.Integer, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("report", sa.Text, nullable=False),
    )
    op.create_table(
        "pictures",
        sa.Column("id", BIG_ID, primary_key=True),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("flight", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("taken_at_ns", sa.BigInteger),
        sa.Column("lat_deg", sa.Float),
        sa.Column("lon_deg", sa.Float),
        sa.Column("alt_msl_m", sa.Float),
        sa.Column("serial", sa.BigInteger),
        sa.Column("match", sa.Text),
        sa.Column("verdict", sa.Text),
        sa.Column("path_on_disk", sa.Text),
        sa.UniqueConstraint(
            "payload", "flight", "sha256", name="pictures_payload_flight_sha256_key"
        ),
    )
    op.create_table(
        "audits",
        sa.Column("id", BIG_ID, primary_key=True),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("flight", sa.Text, nullable=False),
        sa.Column("made_at_ns", sa.BigInteger, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("report", sa.Text, nullable=False),
    )

"""Tables of the store (SQLAlchemy Core); what each column means is said in docs/ground.md.

Times are integer nanoseconds since 1970 UTC (``_at_ns``). A value that is missing is NULL.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

BigId: Final = BigInteger().with_variant(Integer, "sqlite")
"""SQLite gives rowids only to a column that is exactly INTEGER."""

Name: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""Names sort by their bytes, on PostgreSQL too, in whatever language its database sorts."""

metadata = MetaData(
    naming_convention={"pk": "%(table_name)s_pkey", "uq": "%(table_name)s_%(column_0_N_name)s_key"}
)

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""``writer``: the id of the ingest that wrote last, so that another one knows to read anew.

``last_id``: the last id of ``messages`` before retention; none is given twice. ``cut``: which run
of retention was the last.
"""

messages = Table(
    "messages",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=False),
    Column("payload", Name, nullable=False),
    Column("flight", Name, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("held_from", BigInteger, nullable=False),
    Column("measured_at_ns", BigInteger, nullable=False),
    Column("received_at_ns", BigInteger, nullable=False),
    Column("stored_at_ns", BigInteger, nullable=False),
    Column("topic", Text, nullable=False),
    Column("qos", SmallInteger, nullable=False),
    Column("retained", Boolean, nullable=False),
    Column("dup", Boolean, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("suspect", Text),
    Column("lat_deg", Float),
    Column("lon_deg", Float),
    Column("alt_msl_m", Float),
    Column("alt_hae_m", Float),
    Column("fix", Text),
    Column("sats", SmallInteger),
    Column("hdop", Float),
    Column("track_deg", Float),
    Column("speed_mps", Float),
    Column("climb_mps", Float),
    Column("phase", Text),
    Column("waypoint", SmallInteger),
    Column("waypoint_distance_m", Integer),
    Column("waypoint_bearing_deg", Float),
    Column("cross_track_m", Integer),
    UniqueConstraint("payload", "flight", "seq"),
)
"""Every message that crossed, once, in the order of its commit (``id``)."""

Index("messages_track", messages.c.payload, messages.c.flight, messages.c.measured_at_ns)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("received_at_ns", BigInteger, nullable=False),
    Column("last_at_ns", BigInteger, nullable=False),
    Column("times", Integer, nullable=False),
    Column("topic", Text, nullable=False),
    Column("payload", Name),
    Column("flight", Name),
    Column("seq", BigInteger),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("qos", SmallInteger, nullable=False),
    Column("retained", Boolean, nullable=False),
    Column("dup", Boolean, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Index("quarantine_identity", "payload", "flight", "seq"),
)
"""What came and did not fit, with its bytes; ``digest`` is SHA-256 of topic, NUL and bytes."""

flights = Table(
    "flights",
    metadata,
    Column("payload", Name, primary_key=True),
    Column("flight", Name, primary_key=True),
    Column("first_at_ns", BigInteger),
    Column("last_at_ns", BigInteger),
    Column("first_received_at_ns", BigInteger, nullable=False),
    Column("last_received_at_ns", BigInteger, nullable=False),
    Column("messages", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("duplicates", BigInteger, nullable=False),
    Column("quarantined", BigInteger, nullable=False),
    Column("conflicts", BigInteger, nullable=False),
    Column("through", BigInteger, nullable=False),
    Column("held_from", BigInteger, nullable=False),
    Column("given_up", BigInteger, nullable=False),
    Column("simulated", Boolean, nullable=False),
)
"""One row a flight: counters and the watermark, kept in the transaction of each batch."""

recoveries = Table(
    "recoveries",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("payload", Name, nullable=False),
    Column("flight", Name, nullable=False),
    Column("source", Text, nullable=False),
    Column("recovered_at_ns", BigInteger, nullable=False),
    Column("chain_ok", Boolean, nullable=False),
    Column("pictures", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("report", Text, nullable=False),
)
"""Vaults taken in by ``overflight recover``; ``report`` is JSON."""

pictures = Table(
    "pictures",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("payload", Name, nullable=False),
    Column("flight", Name, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("file", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("taken_at_ns", BigInteger),
    Column("lat_deg", Float),
    Column("lon_deg", Float),
    Column("alt_msl_m", Float),
    Column("serial", BigInteger),
    Column("match", Text),
    Column("verdict", Text),
    Column("path_on_disk", Text),
    UniqueConstraint("payload", "flight", "sha256"),
)
"""Recovered pictures: where and when taken, how matched to the track, the audit's verdict."""

audits = Table(
    "audits",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("payload", Name, nullable=False),
    Column("flight", Name, nullable=False),
    Column("made_at_ns", BigInteger, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("report", Text, nullable=False),
)
"""Audits of a flight; ``report`` is the audit's JSON."""

alerts = Table(
    "alerts",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("payload", Name, nullable=False),
    Column("flight", Name, nullable=False),
    Column("severity", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("begin_at_ns", BigInteger, nullable=False),
    Column("end_at_ns", BigInteger),
    Column("raised_at_ns", BigInteger, nullable=False),
    Column("acked_at_ns", BigInteger),
    Column("acked_by", Text),
    Column("lat_deg", Float),
    Column("lon_deg", Float),
    Column("evidence", Text, nullable=False),
    Index("alerts_payload", "payload", "flight", "begin_at_ns"),
)
"""Alerts; ``begin_at_ns`` and ``end_at_ns`` are in the time of the data, ``evidence`` is JSON."""

"""Names of payloads and flights sort by their bytes on PostgreSQL, as they do in SQLite.

The canonical order of exports does not depend on the language of a database, and its indexes need
not compare by the rules of one.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

POSTGRESQL_ONLY = True
TABLES = ("messages", "quarantine", "flights", "recoveries", "pictures", "audits", "alerts")


def upgrade() -> None:
    """Sort by bytes."""
    _collate("C")


def downgrade() -> None:
    """Sort as the database does."""
    _collate("default")


def _collate(collation: str) -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in TABLES:
        for column in ("payload", "flight"):
            op.alter_column(table, column, type_=sa.Text(collation=collation))

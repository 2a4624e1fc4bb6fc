"""Alembic's environment: runs on the connection that it is given."""

from __future__ import annotations

from alembic import context

from overflight_ground.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=True,
    compare_type=False,
)
with context.begin_transaction():
    context.run_migrations()

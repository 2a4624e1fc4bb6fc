"""Alembic migrations of the store; `overflight_ground.store.migrating` runs them."""

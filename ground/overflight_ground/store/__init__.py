"""The store: tables, migrations, the one writer and the readers, on SQLite or PostgreSQL."""

from overflight_ground.store.store import Store, StoreUnavailableError

__all__ = ["Store", "StoreUnavailableError"]

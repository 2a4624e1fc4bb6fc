"""The store: tables, migrations, the one writer and the readers, on SQLite or PostgreSQL."""

from overflight_ground.store.store import ClashError, Store, StoreUnavailableError

__all__ = ["ClashError", "Store", "StoreUnavailableError"]

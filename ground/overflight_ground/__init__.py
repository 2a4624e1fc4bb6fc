"""The ground station: ingest → store → receipts; API, page, alerts, recovery and audit."""

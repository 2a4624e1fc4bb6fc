"""The one-command demonstration: broker, relay, ground and payload as processes, then the audit."""

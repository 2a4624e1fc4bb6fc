"""What the houses share: messages, topics, MQTT packets, session, record and vault files."""

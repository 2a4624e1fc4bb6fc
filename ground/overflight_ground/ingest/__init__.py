"""From the broker into the store: MQTT, judgement, one transaction a batch, receipts."""

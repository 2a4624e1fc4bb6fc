"""CSV of mqtt-recorder: topic, payload, QoS, retain, time, time since the message before."""

from __future__ import annotations

import base64 as base64_codec
import binascii
import csv
import sys
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path

from overflight_contract.errors import InputError
from overflight_contract.imports.published import Publisher
from overflight_contract.mqtt import LocalProtocolError
from overflight_contract.session import Item


def items(path: Path, *, base64: bool = False) -> Iterator[Item]:
    """Yield its messages as one client's PUBLISH packets; raises `InputError` at a bad row."""
    publisher = Publisher("mqtt-recorder")
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    begun = False
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.reader(file), 1):
            if not row:
                continue
            try:
                topic, text, qos, retain, at = row[:5]
                at_ns = int(Decimal(at) * 1_000_000_000)
                payload = base64_codec.b64decode(text) if base64 else text.encode()
                packet = publisher.publish(at_ns, topic, payload, qos=int(qos),
                                           retain=retain != "False")  # fmt: skip
            except (ValueError, InvalidOperation, binascii.Error, LocalProtocolError) as error:
                raise InputError(
                    f"{path}, row {number}, is not as mqtt-recorder writes it: {error}"
                ) from error
            if not begun:
                yield from publisher.begin(at_ns)
                begun = True
            yield packet

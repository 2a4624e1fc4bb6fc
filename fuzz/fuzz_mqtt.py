"""Fuzz the MQTT core and the dissector: ``make fuzz``."""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))

with atheris.instrument_imports(include=["overflight_contract"]):
    from properties import check_stream

if __name__ == "__main__":
    atheris.Setup(sys.argv, check_stream)
    atheris.Fuzz()

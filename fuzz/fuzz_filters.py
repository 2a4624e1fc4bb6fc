"""Fuzz the filter language: ``make fuzz``."""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))

with atheris.instrument_imports(include=["overflight_contract"]):
    from properties import check_filter

if __name__ == "__main__":
    atheris.Setup(sys.argv, check_filter)
    atheris.Fuzz()

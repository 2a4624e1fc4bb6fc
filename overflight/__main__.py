"""Run the command line: ``python -m overflight``."""

import sys

from overflight.cli import main

sys.exit(main())

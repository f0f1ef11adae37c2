"""Makes the generator of synthetic tables importable as `synthetic`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "analysis"))

"""lakeward on Airflow: operators, sensors, the approval, the evidence pages and the demo."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

# Dropped into an Airflow home, `plugins/` is on sys.path and its neighbour `include/` is not.
_CORE = Path(__file__).resolve().parents[2] / "include"
if find_spec("lakeward") is None and (_CORE / "lakeward").is_dir():
    sys.path.append(str(_CORE))

"""A figure over a dimension with more values than the file permits: refused by name, before it is fetched."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest
from parity_world import FILE, world

from lakeward.errors import DataError
from lakeward.lab import Lab

TOLD = r"KPI revenue: the source gives more than 40 cells \(periods over the values of status, payload_channel\)"


def test_a_figure_with_too_many_cells_is_refused_by_name(lab: Lab, tmp_path: Path) -> None:
    text = FILE + "parity: {max_cells: 40}\n"
    with pytest.raises(DataError, match=TOLD) as error, world(tmp_path, uuid4().hex, text=text):
        pass
    assert "Leave a dimension with that many values out" in (error.value.todo or "")

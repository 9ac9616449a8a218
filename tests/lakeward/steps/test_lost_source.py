"""A source that drops the connection midway of a comparison: measured anew in another snapshot, or one clear error."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from tests.chain import Chain
from tests.databases import airflow_connection, create_database
from tests.tcp_proxy import Line, tcp_proxy

from lakeward.errors import SourceError
from lakeward.lab import Lab
from lakeward.steps.artifacts import read_plan
from lakeward.steps.compare_now import compare_now
from lakeward.steps.recheck import Recheck
from lakeward.steps.repair import repair

FILE = """
migration: {name}
pattern: lift_and_shift
source: {{connection: behind_proxy}}
target: {{connection: lakehouse, namespace: {name}}}
landing: {{path: ./landing}}
groups:
  - name: all
    tables: [{{table: public.notes}}]
kpis:
  - {{name: total, table: notes, measure: sum(v), date: at}}
"""
ROWS = (
    "CREATE TABLE notes (id int PRIMARY KEY, v numeric(12,2), at date, word text); INSERT INTO notes SELECT i, i * 1.01, "
    "date '2026-01-01' + i % 300, repeat(md5(i::text), 4) FROM generate_series(1, 20000) i"
)


@pytest.fixture(scope="module")
def shop(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Chain, Line]]:
    uri = create_database(lab, ROWS)
    where = urlsplit(uri)
    with tcp_proxy(where.hostname or "", where.port or 0) as line, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_BEHIND_PROXY", airflow_connection(uri, host="127.0.0.1", port=line.port))
        folder, name = tmp_path_factory.mktemp("lost"), f"lost_{uuid4().hex[:8]}"
        file = folder / "lost.yaml"
        file.write_text(FILE.format(name=name))
        chain = Chain(file, folder, "run")
        chain.run()
        yield chain, line


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_comparison_whose_connection_is_torn_is_made_anew(shop: tuple[Chain, Line], nth: int) -> None:
    chain, line = shop
    with chain.ports() as ports:
        plan = read_plan(ports.store, chain.loaded.spec.migration, "run")
        before, line.plan = line.spoiled, ["ok"] * nth + ["torn 6000"]
        again = Recheck(timedelta(seconds=1), lambda _: None)
        verdicts = compare_now(plan, ports, datetime.now(UTC), recheck=again)
        assert [v.summary for v in verdicts if v.failed] == []
        assert line.spoiled in {before, before + 1}


def test_a_source_that_stays_away_is_a_clear_error_and_nothing_is_changed(shop: tuple[Chain, Line]) -> None:
    chain, line = shop
    with chain.ports() as ports:
        plan = read_plan(ports.store, chain.loaded.spec.migration, "run")
        state = ports.lake.state("notes")
        for work in (
            lambda: compare_now(plan, ports, datetime.now(UTC)),
            lambda: repair(plan, "all", ports, datetime.now(UTC), "ann", dry_run=False),
        ):
            before, line.plan = line.spoiled, ["ok", *["torn 3000"] * 50]
            with pytest.raises(SourceError) as error:
                work()
            assert error.value.todo
            assert line.spoiled > before
        line.plan.clear()
        assert ports.lake.state("notes") == state

"""Arbitrary records, good and bad: the bad ones are set aside, those and no others, and the good ones come back as they were."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from arbitrary import DECLARED, FLATTEN, Number, Object, bare, deep, escaped, misfits, records, write
from flattening import flatten, make_plan
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from rebuilding import read, rebuild

FORMS = ["json", "text"]
MANY = st.lists(st.none() | records(DECLARED) | deep(60), min_size=20, max_size=60)
SPELLINGS = st.tuples(st.sampled_from([bare, escaped]), st.sampled_from(["", " ", "\n\t"]))
QUIET = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    phases=(Phase.explicit, Phase.generate),
)


def check(form: str, found: list[Any], spelling: tuple[Any, str]) -> None:
    """Flatten, and put what became of each record to the oracle."""
    plan = make_plan(form, flatten=[FLATTEN])
    docs = [write(value, *spelling) for value in found]
    with tempfile.TemporaryDirectory() as folder:
        flat = flatten(plan, docs, Path(folder), files=2)
    bad = {n for n, value in enumerate(found) if misfits(value, DECLARED)}
    wrong = {n: (docs[n], flat.bad.get(n)) for n in bad ^ set(flat.bad)}
    assert wrong == {}
    back = rebuild(plan, flat.tables)
    assert set(back) == set(range(len(docs))) - bad
    assert [(docs[n], value) for n, value in back.items() if _as_declared(value) != _as_declared(read(docs[n]))] == []
    assert {json.loads(row["row_key"])["id"]: json.loads(row["raw"])["doc"] for row in flat.quarantine} == {
        str(n): docs[n] for n in bad
    }


def _as_declared(value: object) -> object:
    """A double is the nearest one."""
    return {**value, "f": float(value["f"])} if isinstance(value, dict) and value.get("f") is not None else value


EDGES = [
    Object((("s", "a\u0000b"), ("x.y", "\u0000"), ("", ""))),
    Object((("a", Number("1" * 32 + "." + "9" * 6)),)),
    Object((("a", Number("1" * 33)),)),
    Object((("a", Number("0.1234567")),)),
    Object((("f", Number("1e400")), ("j", Number("1e400")))),
    Object((("l", Number("9223372036854775808")),)),
    Object((("é", "é"), ("e\u0301", Number("1")))),
    Object((("j", Object((("k", None), ("k", Number("2"))))),)),
    Object((("k\u0000", Number("1")), ("k", Number("2")))),
    Object((("o", Object((("b", True), ("b", True)))),)),
    Object((("m", Object((("k", Number("1")), ("k\u0000", Number("2"))))),)),
]


@pytest.mark.parametrize("form", FORMS)
@example(found=EDGES, spelling=(escaped, ""))
@given(found=MANY, spelling=SPELLINGS)
@settings(QUIET, max_examples=6, derandomize=True)
def test_the_bad_ones_are_set_aside_and_no_others(form: str, found: list[Any], spelling: tuple[Any, str]) -> None:
    check(form, found, spelling)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("form", FORMS)
@given(found=MANY, spelling=SPELLINGS)
@settings(QUIET, max_examples=500)
def test_the_bad_ones_are_set_aside_and_no_others_at_length(
    form: str, found: list[Any], spelling: tuple[Any, str]
) -> None:
    check(form, found, spelling)


@pytest.mark.parametrize("form", FORMS)
def test_depth_is_no_fault(form: str, tmp_path: Path) -> None:
    """Twenty thousand levels: in a field that takes anything, below a key that nothing declares, and beside a fault."""
    depth = 20_000
    chain = '{"d":' * depth + "1.50" + "}" * depth
    plan = make_plan(form, flatten=[{"column": "doc", "fields": {"j": "json", "n": "long"}}])
    docs = [f'{{"j":{chain},"n":1}}', f'{{"u":{chain}}}', f'{{"n":"x","u":{chain}}}']
    flat = flatten(plan, docs, tmp_path)
    assert flat.bad == {2: ('doc: n: expected long, found the string "x"', "doc")}
    assert {row["id"]: row["doc_j"] or row["doc_undeclared"] for row in flat.tables["t"]} == {0: chain, 1: docs[1]}
    assert json.loads(flat.quarantine[0]["raw"])["doc"] == docs[2]  # type: ignore[arg-type]

"""`lakeward evidence keygen` and `verify`: a key made, used, trusted, and a stranger's refused; no server is needed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result

from lakeward.adapters.connections import from_environment
from lakeward.adapters.ledger import MemoryLedger
from lakeward.adapters.objects import LocalStore
from lakeward.adapters.open import open_signer
from lakeward.domain.evidence import Approval
from lakeward.ports import Ports
from lakeward.steps.approve import keep_approval

Run = Callable[..., Result]
ANSWER = Approval("shop", "run", "e" * 64, True, "Ann", "ok", datetime(2026, 11, 22, tzinfo=UTC), True)


def test_a_key_is_made_used_and_trusted(cli: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = cli("evidence", "keygen")
    variable, _, value = made.stdout.strip().removeprefix("export ").partition("=")
    monkeypatch.setenv(variable, value.strip("'"))
    public, fingerprint = (line.split()[-1] for line in made.stderr.splitlines()[1:])
    none = object()
    store = LocalStore(tmp_path / "landing")
    signer = open_signer(from_environment)
    key = keep_approval(Ports(none, store, none, none, MemoryLedger(), none, signer), ANSWER)  # type: ignore[arg-type]

    own = cli("evidence", "verify", tmp_path / "landing")
    assert own.exit_code == 0, own.output
    assert f"signed by the trusted key {fingerprint[:16]}" in own.stdout
    monkeypatch.delenv(variable)
    assert "not checked against a trusted key" in cli("evidence", "verify", tmp_path / "landing").stdout
    for trusted in (public, fingerprint):
        assert cli("evidence", "verify", tmp_path / "landing", "--trust", trusted).exit_code == 0
    stranger = cli("evidence", "verify", tmp_path / "landing", "--trust", "0" * 64)
    assert stranger.exit_code == 1
    assert "which is not trusted" in stranger.stderr
    wrong = cli("evidence", "verify", tmp_path / "landing", "--trust", "nonsense")
    assert wrong.exit_code == 1
    assert "not 32 bytes in base64" in wrong.stderr

    Path(store.url(key)).write_bytes(b"{}")
    found = cli("evidence", "verify", tmp_path / "landing", "--trust", public)
    assert found.exit_code == 1
    assert f"{key}: is not what it was" in found.stderr

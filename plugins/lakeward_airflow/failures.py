"""Which errors are worth another try."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowFailException

from lakeward.errors import DataError, GateError, SpecError, UnsupportedError

FINAL = (SpecError, UnsupportedError, DataError, GateError)
"""Trying again would only say the same; an unreachable source or lake and a conflict are tried again."""


@contextmanager
def final_errors() -> Iterator[None]:
    """Fail the task without a retry where the file, the data or the evidence must change first."""
    try:
        yield
    except FINAL as error:
        raise AirflowFailException(f"{type(error).__name__}: {error}") from None

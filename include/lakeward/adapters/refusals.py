"""What servers' refusals mean that look like something else at first: a clock that is wrong, a disk that is full."""

from __future__ import annotations

import re

SKEWED = "Clocks differ by more than the 15 minutes that signatures allow: set both by NTP; `lakeward doctor` shows the difference."
FULL = "Make room there (or raise the quota), then run the step again: nothing of it was published."

_SKEWED = re.compile(
    r"RequestTimeTooSkewed|REQUEST_TIME_TOO_SKEWED|RequestExpired|15 minutes from|difference between the request time",
    re.I,
)
_FULL = re.compile(
    r"^507\b|HTTP status 507|StorageFull|QuotaExceeded|InsufficientStorage|No space left on device|Disk quota exceeded|File too large|disk is full",
    re.I,
)


def is_skewed(said: str) -> bool:
    """Whether a server refused because of the time."""
    return bool(_SKEWED.search(said))


def is_full(said: str) -> bool:
    """Whether there is no room left; ``said`` may begin with the HTTP status."""
    return bool(_FULL.search(said))

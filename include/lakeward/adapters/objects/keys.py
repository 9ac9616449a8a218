"""What a key may look like, alike in every store."""

from __future__ import annotations

from lakeward.errors import LakeError


def checked(key: str) -> str:
    """The key itself; LakeError when it is empty, absolute, or steps out of the root."""
    parts = key.split("/")
    if not key or "\x00" in key or any(part in {"", ".", ".."} for part in parts):
        raise LakeError(
            f"{key!r} is no key of an object store.",
            todo="Keys are names joined by single slashes, without `.` and `..`.",
        )
    return key

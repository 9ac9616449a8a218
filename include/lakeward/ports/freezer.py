"""What keeps writers out of a source for a while."""

from __future__ import annotations

from typing import Protocol


class Freezer(Protocol):
    """Keeps writers out, and lets them in again. Both may be asked for again, and then change nothing."""

    def freeze(self) -> None:
        """Keep them out; SourceError when that is not sure."""

    def lift(self) -> None:
        """Let them in; SourceError when that is not sure."""

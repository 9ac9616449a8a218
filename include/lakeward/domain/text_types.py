"""The type that the texts of a column spell, for a first migration file: a guess that the guards keep honest."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lakeward.spec.scalars import LakeType

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)\.([0-9]+)|-?(0|[1-9][0-9]{0,17})")
_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
_FORMS = {
    "long": _WHOLE,
    "date": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "timestamp": re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[ T]{_CLOCK}"),
    "timestamptz": re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[ T]{_CLOCK}(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)"),
    "boolean": re.compile("true|false", re.IGNORECASE),
    "uuid": re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
}
_ROOM = 38


def type_of_texts(texts: Sequence[str | None]) -> LakeType | None:
    """A type that all of them spell, None for text. What begins with a needless zero is no number: it may be a postcode."""
    found = [text for text in texts if text is not None]
    if not found:
        return None
    for kind, form in _FORMS.items():
        if all(form.fullmatch(text) for text in found):
            return LakeType(kind)
    if not all(_DECIMAL.fullmatch(text) for text in found):
        return None
    scale = max(len(text.partition(".")[2]) for text in found)
    whole = max(len(text.lstrip("-").partition(".")[0]) for text in found)
    return LakeType(f"decimal({_ROOM},{scale})") if whole + scale <= _ROOM else None

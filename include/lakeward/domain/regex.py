"""Regular expressions of rules: DuckDB runs them, in RE2's syntax."""

from __future__ import annotations

import re
import warnings

_ONLY_PYTHON = {
    r"\(\?<?[=!]": "looking around",
    r"\\[1-9]|\(\?P=": "back references",
    r"\(\?\(": "conditions",
    r"\(\?>": "atomic groups",
    r"\(\?#": "comments",
}
_ONLY_RE2 = re.compile(r"\\[pPzCQE]|\(\?<[A-Za-z_]|\[\[:|\(\?[imsU]+\)|\(\?P<|\\x\{|\(\?[imsx]*-|[*+?}][+]")


def regex_fault(pattern: str) -> str:
    """Why a pattern is surely none, or nothing; light, and silent about what RE2 alone can judge."""
    bare = re.sub(r"\\\\", "", pattern)
    for construct, name in _ONLY_PYTHON.items():
        if re.search(construct, bare):
            return f"RE2 knows no {name}"
    if _ONLY_RE2.search(bare):
        return ""
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    return ""

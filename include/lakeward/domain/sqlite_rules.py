"""How SQLite's values are carried: by their column's declared type, each judged by its own storage class; decides, is documented and is tested."""

from __future__ import annotations

import re

from lakeward.domain.type_rules import How, Rule

_UNREAD = ("unread",)
RULES = (
    Rule(
        "`INTEGER`, `INT`, `BIGINT` and whatever has INT in it",
        ("sqlite integer",),
        "long",
        How.SAME,
        special=_UNREAD,
        also="`int`, `decimal(p,s)`, `boolean`, `string`",
    ),
    Rule(
        "`DECIMAL(p,s)`, `NUMERIC(p,s)` of up to 15 digits",
        ("sqlite numeric",),
        "decimal(p,s)",
        How.NUMERIC,
        special=_UNREAD,
        also="another decimal, `long`, `double`, `string`",
        note="SQLite keeps no decimals: it holds integers, texts, or doubles, whose shortest text is taken. Beyond 15 digits, or without precision, the file must say the type.",
    ),
    Rule(
        "`REAL`, `FLOAT`, `DOUBLE`",
        ("sqlite real",),
        "double",
        How.SAME,
        special=_UNREAD,
        also="`decimal(p,s)` where the shortest text fits; `string`",
    ),
    Rule(
        "`BOOLEAN`",
        ("sqlite boolean",),
        "boolean",
        How.SAME,
        special=_UNREAD,
        also="`long`, `string`",
        note="0 and 1, `true` and `false`.",
    ),
    Rule(
        "`TEXT`, `VARCHAR(n)`, `CHAR(n)`, `CLOB`",
        ("sqlite text",),
        "string",
        How.TEXT,
        special=_UNREAD,
        also="any type that its texts spell; `json`, `flatten`",
    ),
    Rule("`JSON`", ("sqlite json",), "json", How.JSON, special=_UNREAD, also="`string`, `flatten`"),
    Rule("`UUID`", ("sqlite uuid",), "string", How.TEXT, special=_UNREAD, also="`uuid`"),
    Rule(
        "`DATE`",
        ("sqlite date",),
        "date",
        How.SAME,
        special=_UNREAD,
        also="`string`; `long` for numbers",
        note="Texts as `2024-02-29`.",
    ),
    Rule(
        "`DATETIME`, `TIMESTAMP`",
        ("sqlite datetime",),
        "timestamp",
        How.SAME,
        special=_UNREAD,
        also="`timestamptz`, `string`; `long` for numbers",
        note="Texts as `2024-02-29 12:00:00.5`, with an offset for `timestamptz`.",
    ),
    Rule("`TIME`", ("sqlite time",), "time", How.SAME, special=_UNREAD),
    Rule("`BLOB`", ("sqlite blob",), "binary", How.SAME, special=_UNREAD, also="`string`: hexadecimal, after `\\x`"),
)
"""Columns without a type, and of types that are not here, need one in the file."""
RULE_OF = {base: rule for rule in RULES for base in rule.bases}
DIGITS = 15
"""The most that a double holds of any decimal."""
_DECLARED = re.compile(r"([A-Za-z_ ]*?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*")
_NAMED = {
    "BOOLEAN": "boolean",
    "BOOL": "boolean",
    "DATE": "date",
    "DATETIME": "datetime",
    "TIMESTAMP": "datetime",
    "TIME": "time",
    "JSON": "json",
    "UUID": "uuid",
    "DECIMAL": "numeric",
    "NUMERIC": "numeric",
}
_PARTS = (
    ("INT", "integer"),
    ("CHAR", "text"),
    ("CLOB", "text"),
    ("TEXT", "text"),
    ("BLOB", "blob"),
    ("REAL", "real"),
    ("FLOA", "real"),
    ("DOUB", "real"),
)
"""As SQLite itself finds a column's affinity."""


def base_of(declared: str) -> tuple[str, int | None, int | None]:
    """What a declared type stands for here, its precision and its scale."""
    found = _DECLARED.fullmatch(declared)
    if found is None:
        return "sqlite other", None, None
    word = found[1].upper()
    base = _NAMED.get(word) or next((base for part, base in _PARTS if part in word), "other")
    precision = int(found[2]) if found[2] else None
    return f"sqlite {base}", precision, int(found[3] or 0) if precision else None

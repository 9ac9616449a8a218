"""How each type of DuckDB is carried, from its own files and from every format that it reads; decides, is documented and is tested."""

from __future__ import annotations

from lakeward.domain.source_facts import SourceColumn
from lakeward.domain.type_rules import How, Rule

_NAN = ("nan", "infinity")
RULES = (
    Rule(
        "`TINYINT`, `SMALLINT`, `INTEGER`, `UTINYINT`, `USMALLINT`",
        ("tinyint", "smallint", "integer", "utinyint", "usmallint"),
        "int",
        How.CAST,
        also="`long`, `decimal(p,s)`, `string`",
    ),
    Rule("`BIGINT`, `UINTEGER`", ("bigint", "uinteger"), "long", How.CAST, also="`int`, `decimal(p,s)`, `string`"),
    Rule("`UBIGINT`", ("ubigint",), "decimal(20,0)", How.NUMERIC, also="`long`, another decimal, `string`"),
    Rule(
        "`HUGEINT`, `UHUGEINT`",
        ("hugeint", "uhugeint"),
        "decimal(38,0)",
        How.NUMERIC,
        also="`long`, another decimal; `string` holds what has 39 digits",
        note="A value of 39 digits stops the run.",
    ),
    Rule(
        "`DECIMAL(p,s)`",
        ("decimal",),
        "decimal(p,s)",
        How.SAME,
        also="another decimal, `int`, `long` where every value is exact; `string`",
    ),
    Rule("`FLOAT`", ("float",), "float", How.SAME, special=_NAN, also="`double`; `decimal(p,s)` where exact; `string`"),
    Rule("`DOUBLE`", ("double",), "double", How.SAME, special=_NAN, also="`decimal(p,s)` where exact; `string`"),
    Rule("`BOOLEAN`", ("boolean",), "boolean", How.SAME),
    Rule(
        "`VARCHAR`",
        ("varchar",),
        "string",
        How.TEXT,
        special=("unread",),
        also="any type that its texts spell; `json`, `flatten`",
        note="A text that is not of the declared type is quarantined with its row; `special` says otherwise.",
    ),
    Rule("enums", ("enum",), "string", How.TEXT),
    Rule("`JSON`", ("json",), "json", How.JSON, also="`string`, `flatten`"),
    Rule("`BLOB`", ("blob",), "binary", How.SAME, also="`string`: hexadecimal, after `\\x`"),
    Rule("`UUID`", ("uuid",), "uuid", How.SAME),
    Rule("`DATE`", ("date",), "date", How.SAME, special=("infinity",)),
    Rule("`TIME`", ("time",), "time", How.SAME, special=("time24",)),
    Rule("`TIME_NS`", ("time_ns",), "time", How.CAST, special=("time24", "fine")),
    Rule("`TIMESTAMP`", ("timestamp",), "timestamp", How.SAME, special=("infinity",)),
    Rule(
        "`TIMESTAMP_S`, `TIMESTAMP_MS`", ("timestamp_s", "timestamp_ms"), "timestamp", How.CAST, special=("infinity",)
    ),
    Rule("`TIMESTAMP_NS`", ("timestamp_ns",), "timestamp", How.CAST, special=("infinity", "fine")),
    Rule("`TIMESTAMP WITH TIME ZONE`", ("timestamptz",), "timestamptz", How.SAME, special=("infinity",)),
    Rule("`TIME WITH TIME ZONE`", ("timetz",), "string", How.SHOWN),
    Rule("`INTERVAL`", ("interval",), "string", How.SHOWN),
    Rule("`BIT`", ("bit",), "string", How.SHOWN, note="Zeros and ones."),
    Rule("`BIGNUM`", ("bignum",), "string", How.SHOWN),
    Rule(
        "`STRUCT`, lists, `ARRAY`, `MAP`, `UNION`, to any depth",
        ("struct", "list", "array", "map", "union"),
        "json",
        How.JSON,
        special=("inside",),
        also="`string`: DuckDB's own text; `flatten`",
        note="Numbers with every digit; what JSON has no form for is text in it. A `UNION` is an object with the one member that is set.",
    ),
)
"""``GEOMETRY``, ``VARIANT`` and columns of nothing but null are refused by name."""
_BY_BASE = {base: rule for rule in RULES for base in rule.bases}

NESTED = frozenset({"struct", "list", "array", "map", "union"})


def rule_of(column: SourceColumn) -> Rule | None:
    """The rule for a column; None for types that are not carried."""
    return _BY_BASE.get(column.base)

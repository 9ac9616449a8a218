"""How each type of PostgreSQL is carried: one table that decides, is documented (docs/types.md) and is tested row by row."""

from __future__ import annotations

from lakeward.domain.source_facts import SourceColumn
from lakeward.domain.type_rules import How, Rule

_NAN = ("nan", "infinity")
RULES = (
    Rule("`smallint`, `integer`", ("int2", "int4"), "int", How.SAME, also="`long`, `decimal(p,s)`, `string`"),
    Rule("`bigint`", ("int8",), "long", How.SAME, also="`decimal(p,s)`, `string`"),
    Rule(
        "`numeric(p,s)` of up to 38 digits",
        ("numeric",),
        "decimal(p,s)",
        How.NUMERIC,
        special=_NAN,
        also="another decimal; `int`, `long` where no value has decimals; `string`",
        note="A negative scale becomes digits before the point, `numeric(5,-2)` is `decimal(7,0)`; a scale above the precision widens "
        "it. Without precision, or beyond 38 digits, the file must say the type: `lakeward plan` tells the widest value there is.",
    ),
    Rule(
        "`real`",
        ("float4",),
        "float",
        How.SAME,
        special=_NAN,
        also="`double`; `decimal(p,s)` where exact; `string`",
    ),
    Rule(
        "`double precision`",
        ("float8",),
        "double",
        How.SAME,
        special=_NAN,
        also="`decimal(p,s)` where every value is exact; `string`",
        note="NaN, infinities and -0 are carried as they are; `special` changes that.",
    ),
    Rule(
        "`money`",
        ("money",),
        "decimal(19,2)",
        How.MONEY,
        also="another decimal; `string`: the number, no currency sign",
    ),
    Rule("`boolean`", ("bool",), "boolean", How.SAME, also="`string`: `true`, `false`"),
    Rule(
        "`text`, `varchar(n)`, `varchar`",
        ("text", "varchar"),
        "string",
        How.TEXT,
        also="`json`, `flatten` for text that holds JSON",
    ),
    Rule('`name`, `"char"`', ("name", "char"), "string", How.TEXT),
    Rule(
        "`char(n)`",
        ("bpchar",),
        "string",
        How.TEXT,
        also="`json`, `flatten` for text that holds JSON",
        note="Its padding is kept; `trim: [column]` leaves it behind.",
    ),
    Rule("enums", (), "string", How.TEXT),
    Rule("`bytea`", ("bytea",), "binary", How.SAME, also="`string`: hexadecimal, after `\\x`"),
    Rule("`uuid`", ("uuid",), "uuid", How.SAME),
    Rule(
        "`date`",
        ("date",),
        "date",
        How.SAME,
        special=("infinity",),
        note="Every date from 4713 BC to 5874897, day by day in the proleptic Gregorian calendar.",
    ),
    Rule(
        "`timestamp`",
        ("timestamp",),
        "timestamp",
        How.SAME,
        special=("infinity", "far"),
        note="To the microsecond, from 4713 BC to 294247-01-10 04:00:54, where 64 bits end.",
    ),
    Rule(
        "`timestamptz`",
        ("timestamptz",),
        "timestamptz",
        How.SAME,
        special=("infinity", "far"),
        note="The instant, as with `timestamp`; PostgreSQL keeps no zone either.",
    ),
    Rule("`time`", ("time",), "time", How.SAME, special=("time24",)),
    Rule("`timetz`", ("timetz",), "string", How.OUTPUT),
    Rule("`interval`", ("interval",), "string", How.OUTPUT, note="In ISO 8601; `infinity` is a text too."),
    Rule("`json`, `jsonb`", ("json", "jsonb"), "json", How.JSON, also="`string`, `flatten`"),
    Rule(
        "arrays of any type and depth",
        (),
        "json",
        How.JSON,
        special=("bounds",),
        also="`string`: the server's own text, bounds and all; `flatten`",
        note='Null elements stay null. What JSON has no number for is text in it, so `"NaN"`, `"infinity"`.',
    ),
    Rule(
        "composite types",
        (),
        "json",
        How.JSON,
        special=("bounds",),
        also="`string`: the server's own text; `flatten`",
        note="An object with every field, nulls too; a row of nulls is not null.",
    ),
    Rule(
        "ranges and multiranges, your own ones too",
        (
            *("int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange"),
            *("int4multirange", "int8multirange", "nummultirange", "datemultirange", "tsmultirange", "tstzmultirange"),
        ),
        "string",
        How.OUTPUT,
    ),
    Rule("`inet`, `cidr`, `macaddr`, `macaddr8`", ("inet", "cidr", "macaddr", "macaddr8"), "string", How.OUTPUT),
    Rule("`bit(n)`, `bit varying(n)`", ("bit", "varbit"), "string", How.OUTPUT, note="Zeros and ones."),
    Rule("`xml`, `jsonpath`", ("xml", "jsonpath"), "string", How.OUTPUT),
    Rule("`tsvector`, `tsquery`", ("tsvector", "tsquery"), "string", How.OUTPUT),
    Rule(
        "`point`, `line`, `lseg`, `box`, `path`, `polygon`, `circle`",
        ("point", "line", "lseg", "box", "path", "polygon", "circle"),
        "string",
        How.OUTPUT,
        note="Every coordinate in its shortest exact form.",
    ),
    Rule("`oid`", ("oid",), "long", How.CAST),
    Rule(
        "`regclass` and its like",
        (
            *("regclass", "regcollation", "regconfig", "regdictionary", "regnamespace", "regoper"),
            *("regoperator", "regproc", "regprocedure", "regrole", "regtype"),
        ),
        "string",
        How.OUTPUT,
        note="Names as the role's search path shows them.",
    ),
    Rule(
        "`pg_lsn`, `pg_snapshot`, `txid_snapshot`, `xid`, `xid8`, `cid`, `tid`, `refcursor`, `int2vector`, `oidvector`",
        ("pg_lsn", "pg_snapshot", "txid_snapshot", "xid", "xid8", "cid", "tid", "refcursor", "int2vector", "oidvector"),
        "string",
        How.OUTPUT,
    ),
    Rule(
        "types of extensions (`hstore`, `citext`, `vector`, `geometry`, ...) and base types of your own",
        (),
        "string",
        How.OUTPUT,
        also="`json` and `flatten` for `hstore`",
    ),
)
_BY_BASE = {base: rule for rule in RULES for base in rule.bases}
_BY_CATEGORY = dict(
    zip(
        ("enum", "array", "composite", "extension"),
        (
            next(r for r in RULES if r.types.startswith(start))
            for start in ("enums", "arrays", "composite", "types of extensions")
        ),
        strict=True,
    )
)


def rule_of(column: SourceColumn) -> Rule | None:
    """The rule for a column, that of its base type where it is of a domain; None for types that nobody keeps data in."""
    return _BY_CATEGORY.get(column.category) or _BY_BASE.get(column.base)

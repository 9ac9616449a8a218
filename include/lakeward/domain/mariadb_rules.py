"""How each type of MariaDB is carried: one table that decides, is documented (docs/types.md) and is tested row by row."""

from __future__ import annotations

from lakeward.domain.type_rules import How, Rule

_ZERO = ("zero",)
RULES = (
    Rule(
        "`tinyint`, `smallint`, `mediumint`, `int`, also `unsigned` but for `int`; `year`",
        tuple(
            f"mariadb {base}"
            for base in (
                *("tinyint", "smallint", "mediumint", "int", "year"),
                *("tinyint unsigned", "smallint unsigned", "mediumint unsigned", "year unsigned"),
            )
        ),
        "int",
        How.SAME,
        also="`long`, `decimal(p,s)`, `string`; `boolean` where there are only 0 and 1",
        note="`tinyint(1)`, which `bool` is, too: MariaDB keeps any number in it.",
    ),
    Rule(
        "`bigint`, `int unsigned`",
        ("mariadb bigint", "mariadb int unsigned"),
        "long",
        How.SAME,
        also="`int`, `decimal(p,s)`, `string`",
    ),
    Rule("`bigint unsigned`", ("mariadb bigint unsigned",), "decimal(20,0)", How.NUMERIC, also="`long`, `string`"),
    Rule(
        "`decimal(p,s)` of up to 38 digits",
        ("mariadb decimal", "mariadb decimal unsigned"),
        "decimal(p,s)",
        How.NUMERIC,
        also="another decimal; `int`, `long` where no value has decimals; `string`",
        note="Beyond 38 digits the file must say the type: a decimal that fits, or `string`.",
    ),
    Rule("`float`", ("mariadb float", "mariadb float unsigned"), "float", How.SAME, also="`double`"),
    Rule("`double`", ("mariadb double", "mariadb double unsigned"), "double", How.SAME, also="`string`"),
    Rule(
        "`bit(n)`",
        ("mariadb bit",),
        "string",
        How.TEXT,
        also="`boolean` for `bit(1)`",
        note="Zeros and ones, all n of them.",
    ),
    Rule(
        "`char(n)`, `varchar(n)`, `text` and its like, of any character set",
        tuple(f"mariadb {base}" for base in ("char", "varchar", "tinytext", "text", "mediumtext", "longtext")),
        "string",
        How.TEXT,
        also="`json` for text that holds JSON",
        note="As UTF-8. The server itself gives `char(n)` without spaces at its end.",
    ),
    Rule("`enum`, `set`", ("mariadb enum", "mariadb set"), "string", How.TEXT, note="A set's members with commas."),
    Rule("`json`", ("mariadb json",), "json", How.JSON, note="The text as it was written; it is not flattened."),
    Rule("`uuid`", ("mariadb uuid",), "uuid", How.SAME),
    Rule("`inet4`, `inet6`", ("mariadb inet4", "mariadb inet6"), "string", How.TEXT),
    Rule(
        "`binary(n)`, `varbinary(n)`, `blob` and its like",
        tuple(f"mariadb {base}" for base in ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")),
        "binary",
        How.SAME,
    ),
    Rule(
        "`date`",
        ("mariadb date",),
        "date",
        How.SAME,
        special=_ZERO,
        note="From 0001-01-01 on.",
    ),
    Rule("`datetime(n)`", ("mariadb datetime",), "timestamp", How.SAME, special=_ZERO),
    Rule(
        "`timestamp(n)`",
        ("mariadb timestamp",),
        "timestamptz",
        How.SAME,
        special=_ZERO,
        note="The instant: it is read in UTC.",
    ),
    Rule("`time(n)`", ("mariadb time",), "time", How.SAME, special=("span",)),
)
"""All others, spatial ones above all, are left out by `drop`."""
RULE_OF = {base: rule for rule in RULES for base in rule.bases}

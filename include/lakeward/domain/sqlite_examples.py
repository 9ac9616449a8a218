"""Values of SQLite, as literals of its own, and what is in the lake for them: shown in docs/types.md, and carried there by a test."""

from __future__ import annotations

from lakeward.domain.examples import Example

_FLOATS = (
    ("0.1", "0.1"),
    ("1e-310", "1e-310"),
    ("1.7976931348623157e308", "1.7976931348623157e+308"),
    ("9e999", "inf"),
    ("7", "7"),
)

EXAMPLES = (
    Example("INTEGER", "long", ("-9223372036854775808", "9223372036854775807", ("2.0", "2"), ("'12'", "12"))),
    Example("INTEGER", "long", ("7", ("'abc'", None), ("2.5", None), ("X'00'", None)), special="null"),
    Example("BIGINT UNSIGNED", "int", ("7",), types="int"),
    Example("INTEGER", "decimal(9,2)", (("7", "7.00"),), types="decimal(9,2)"),
    Example("INTEGER", "boolean", (("1", "true"), ("0", "false")), types="boolean"),
    Example(
        "INTEGER", "string", (("7", "7"), ("'abc'", "abc"), ("2.5", "2.5"), ("X'00ff'", r"\x00ff")), types="string"
    ),
    Example(
        "DECIMAL(10,2)",
        "decimal(10,2)",
        (("1.1", "1.10"), ("'1.10'", "1.10"), ("-99999999.99", "-99999999.99"), ("3", "3.00")),
    ),
    Example("DECIMAL(10,2)", "decimal(10,2)", (("1.005", None), ("'free'", None), ("1e9", None)), special="null"),
    Example(
        "NUMERIC",
        "decimal(38,9)",
        (("1.1", "1.100000000"), ("9007199254740993", "9007199254740993.000000000")),
        types="decimal(38,9)",
    ),
    Example(
        "TEXT",
        "decimal(38,9)",
        (("'12345678901234567890.123456789'", "12345678901234567890.123456789"),),
        types="decimal(38,9)",
    ),
    Example("REAL", "double", _FLOATS),
    Example("REAL", "double", (("'abc'", None), ("X'00'", None)), special="null"),
    Example("REAL", "decimal(5,2)", (("1.25", "1.25"), ("-0.5", "-0.50")), types="decimal(5,2)"),
    Example("BOOLEAN", "boolean", (("1", "true"), ("0", "false"), ("'true'", "true"), ("'FALSE'", "false"))),
    Example("BOOLEAN", "boolean", (("2", None), ("'yes'", None)), special="null"),
    Example(
        "TEXT",
        "string",
        (
            ("''", ""),
            ("' two  spaces '", " two  spaces "),
            ("'it''s, \"𝔘\"'", 'it\'s, "𝔘"'),
            ("7", "7"),
            ("'a' || char(10) || 'b'", "a\nb"),
        ),
    ),
    Example("TEXT", "string", (("'x'", "x"), ("X'00'", None)), special="null"),
    Example("VARCHAR(3)", "string", (("'longer'", "longer"),)),
    Example("JSON", "json", (("'{\"a\": 1.10}'", '{"a": 1.10}'),)),
    Example(
        "UUID",
        "uuid",
        (("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),),
        types="uuid",
    ),
    Example("DATE", "date", (("'2024-02-29'", "2024-02-29"),)),
    Example("DATE", "date", (("'29.2.2024'", None), ("20240229", None), ("'2023-02-29'", None)), special="null"),
    Example("DATE", "long", (("1709164800", "1709164800"),), types="long"),
    Example(
        "DATETIME",
        "timestamp",
        (
            ("'2024-02-29 12:00:00.123456'", "2024-02-29 12:00:00.123456"),
            ("'2024-02-29T12:00:00'", "2024-02-29 12:00:00"),
        ),
    ),
    Example(
        "DATETIME", "timestamptz", (("'2024-02-29 12:00:00+02:00'", "2024-02-29 10:00:00+00"),), types="timestamptz"
    ),
    Example("TIME", "time", (("'23:59:59.5'", "23:59:59.5"),)),
    Example("BLOB", "binary", (("X''", ""), ("X'00ff5c'", r"\x00\xff\x5c"))),
    Example("BLOB", "binary", (("'text'", None),), special="null"),
    Example("", "string", (("'a'", "a"), ("1", "1"), ("1.5", "1.5"), ("X'ff'", r"\xff")), types="string"),
)

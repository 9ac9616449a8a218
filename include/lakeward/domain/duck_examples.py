"""Values of every type of DuckDB and what is in the lake for them: shown in docs/types.md, and carried there by a test."""

from __future__ import annotations

from lakeward.domain.examples import Example

PRELUDE = """\
CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'Ünïcode');"""
"""What the examples need."""

_TIMES = (
    "4713-01-01 (BC) 00:00:00",
    "0001-01-01 00:00:00",
    "1582-10-10 23:59:59.999999",
    "294247-01-10 04:00:54.775806",
)
_FLOATS = ("nan", "inf", "-inf", "-0", "0", "0.1")
_BIG = "9" * 38

EXAMPLES = (
    Example("TINYINT", "int", ("-128", "127")),
    Example("SMALLINT", "int", ("-32768", "32767")),
    Example("INTEGER", "int", ("-2147483648", "2147483647")),
    Example("INTEGER", "long", ("-2147483648", "2147483647"), types="long"),
    Example("UTINYINT", "int", ("0", "255")),
    Example("USMALLINT", "int", ("65535",)),
    Example("UINTEGER", "long", ("4294967295",)),
    Example("BIGINT", "long", ("-9223372036854775808", "9223372036854775807")),
    Example("BIGINT", "int", ("-2147483648", "7"), types="int"),
    Example("BIGINT", "decimal(19,0)", ("-9223372036854775808",), types="decimal(19,0)"),
    Example("UBIGINT", "decimal(20,0)", ("18446744073709551615",)),
    Example("UBIGINT", "long", ("9223372036854775807",), types="long"),
    Example("HUGEINT", "decimal(38,0)", (_BIG, f"-{_BIG}")),
    Example("HUGEINT", "string", ("170141183460469231731687303715884105727",), types="string"),
    Example("UHUGEINT", "decimal(38,0)", (_BIG, "0")),
    Example("UHUGEINT", "string", ("340282366920938463463374607431768211455",), types="string"),
    Example("DECIMAL(4,1)", "decimal(4,1)", ("-999.9", "0.1")),
    Example("DECIMAL(12,2)", "decimal(12,2)", ("-9999999999.99", "0.00", "0.01")),
    Example("DECIMAL(38,0)", "decimal(38,0)", (_BIG, f"-{_BIG}")),
    Example("DECIMAL(38,38)", "decimal(38,38)", (f"0.{_BIG}", "-0." + "0" * 37 + "1")),
    Example("DECIMAL(12,4)", "decimal(9,2)", (("1.5000", "1.50"), ("-0.0100", "-0.01")), types="decimal(9,2)"),
    Example("DECIMAL(2,2)", "decimal(9,3)", (("0.50", "0.500"), ("-0.01", "-0.010")), types="decimal(9,3)"),
    Example("DECIMAL(12,2)", "long", (("7.00", "7"),), types="long"),
    Example("DECIMAL(12,2)", "string", ("7.00",), types="string"),
    Example("FLOAT", "float", (*_FLOATS, "1e-45", "3.4028235e+38")),
    Example("FLOAT", "double", ("nan", "-0", "1.5"), types="double"),
    Example("DOUBLE", "double", (*_FLOATS, "5e-324", "1.7976931348623157e+308")),
    Example("DOUBLE", "double", ("0.5", ("nan", None), ("-inf", None)), special="null"),
    Example("DOUBLE", "decimal(5,2)", (("1.25", "1.25"), ("-0.5", "-0.50")), types="decimal(5,2)"),
    Example("DOUBLE", "string", ("0.1", "nan", "1e+300"), types="string"),
    Example("BOOLEAN", "boolean", ("true", "false")),
    Example(
        "VARCHAR",
        "string",
        ("", " two  spaces ", "tab\t, line\n, 'quote', \"double\", back\\slash", "𝔘nicode, é and é"),
    ),
    Example(
        "VARCHAR",
        "decimal(12,2)",
        (("1.5", "1.50"), ("-0012.340", "-12.34"), ("15e1", "150.00")),
        types="decimal(12,2)",
    ),
    Example("VARCHAR", "date", ("2024-02-29", "1582-10-10"), types="date"),
    Example(
        "VARCHAR", "timestamptz", (("2024-02-29T12:00:00.5+02:00", "2024-02-29 10:00:00.5+00"),), types="timestamptz"
    ),
    Example("VARCHAR", "boolean", (("TRUE", "true"), ("false", "false")), types="boolean"),
    Example("VARCHAR", "long", ("9223372036854775807", ("no number", None)), types="long", special="null"),
    Example("mood", "string", ("sad", "it's ok", "Ünïcode")),
    Example("JSON", "json", ('{"b": 1.10, "a": [12345678901234567890.123, null]}', "null", '"x"')),
    Example("BLOB", "binary", ("", r"\x00\xFF'\x5C")),
    Example("BLOB", "string", ((r"\x00\xFF", r"\x00ff"),), types="string"),
    Example("UUID", "uuid", ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",)),
    Example("DATE", "date", ("4713-01-01 (BC)", "0001-01-01", "1582-10-10", "2024-02-29", "5881580-07-10")),
    Example("DATE", "date", ("2024-02-29", ("infinity", None)), special="null"),
    Example("DATE", "string", ("2024-02-29", "infinity", "-infinity"), special="text"),
    Example("TIME", "time", ("00:00:00", "23:59:59.999999")),
    Example("TIME", "string", ("24:00:00",), special="text"),
    Example("TIME_NS", "time", (("12:34:56.123456000", "12:34:56.123456"),)),
    Example("TIME_NS", "string", ("12:34:56.123456789",), special="text"),
    Example("TIMESTAMP", "timestamp", _TIMES),
    Example("TIMESTAMP", "timestamp", ("2024-02-29 12:00:00", ("infinity", None)), special="null"),
    Example("TIMESTAMP_S", "timestamp", ("1969-12-31 23:59:59", "9999-12-31 23:59:59")),
    Example("TIMESTAMP_MS", "timestamp", ("2024-02-29 12:00:00.123",)),
    Example("TIMESTAMP_NS", "timestamp", (("2024-02-29 12:00:00.123456000", "2024-02-29 12:00:00.123456"),)),
    Example("TIMESTAMP_NS", "timestamp", (("2024-02-29 12:00:00.123456789", None),), special="null"),
    Example("TIMESTAMP_NS", "string", ("2024-02-29 12:00:00.123456789",), special="text"),
    Example("TIMESTAMP WITH TIME ZONE", "timestamptz", ("1582-10-10 23:59:59.999999+00", "2024-02-29 12:00:00+00")),
    Example("TIMESTAMP WITH TIME ZONE", "timestamptz", (("infinity", None),), special="null"),
    Example("TIME WITH TIME ZONE", "string", ("12:34:56.789+02:30", "00:00:00-15:59")),
    Example("INTERVAL", "string", ("1 year 2 months -3 days 04:05:06.000007", "-00:00:00.000001")),
    Example("BIT", "string", ("0101", "1")),
    Example("BIGNUM", "string", ("-" + "123456789" * 9,)),
    Example(
        "STRUCT(a DECIMAL(18,2), b INTEGER[], c STRUCT(d DATE, e DOUBLE))",
        "json",
        (
            (
                "{'a': 1234567890123456.78, 'b': [1, NULL], 'c': {'d': 2024-02-29, 'e': 0.1}}",
                '{"a":1234567890123456.78,"b":[1,null],"c":{"d":"2024-02-29","e":0.1}}',
            ),
            ("{'a': NULL, 'b': NULL, 'c': NULL}", '{"a":null,"b":null,"c":null}'),
        ),
    ),
    Example("STRUCT(a DOUBLE)", "json", (("{'a': nan}", None), ("{'a': 1.5}", '{"a":1.5}')), special="null"),
    Example("STRUCT(a DOUBLE)", "string", ("{'a': nan}",), special="text"),
    Example("HUGEINT[]", "json", ((f"[{_BIG}, NULL]", f"[{_BIG},null]"), ("[]", "[]"))),
    Example("INTEGER[3]", "json", (("[1, 2, NULL]", "[1,2,null]"),)),
    Example("MAP(VARCHAR, DECIMAL(5,2))", "json", (("{x=1.10, y=NULL}", '{"x":1.1,"y":null}'), ("{}", "{}"))),
    Example("MAP(INTEGER, TIMESTAMP)", "json", (("{1=2024-02-29 12:00:00}", '{"1":"2024-02-29 12:00:00"}'),)),
    Example("UNION(num DECIMAL(5,2), word VARCHAR)", "json", (("abc", '{"word":"abc"}'),)),
    Example("VARCHAR[]", "string", ("[a, b c]",), types="string"),
)

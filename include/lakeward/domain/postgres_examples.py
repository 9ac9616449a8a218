"""Values of every type of PostgreSQL and what is in the lake for them: shown in docs/types.md, and carried there by a test."""

from __future__ import annotations

from lakeward.domain.examples import Example

PRELUDE = """\
CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'Ünïcode');
CREATE TYPE pair AS (a int, b text);
CREATE TYPE nest AS (p pair, list int[], at timestamptz, n numeric);
CREATE TYPE floats AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE EXTENSION vector;"""
"""What the examples need."""

_TIMES = ("0001-01-01 00:00:00", "1582-10-10 23:59:59.999999", "1970-01-01 00:00:00", "9999-12-31 23:59:59.999999")
_FAR_TIMES = ("4713-01-01 00:00:00 BC", "0044-03-15 12:34:56.789 BC", *_TIMES, "294247-01-10 04:00:54.775806")
_BEYOND = ("infinity", "-infinity", "294247-01-10 04:00:54.775807", "294276-12-31 23:59:59.999999")
_ZONED = tuple(
    f"{t.removesuffix(' BC')}+00{' BC' if t.endswith(' BC') else ''}"
    for t in (*_FAR_TIMES[:-1], "294246-12-31 23:59:59.999999")
)
_DATES = ("4713-01-01 BC", "0001-12-31 BC", "0001-01-01", "1582-10-10", "1969-12-31", "2024-02-29", "5874897-12-31")
_FLOATS = ("NaN", "Infinity", "-Infinity", "-0", "0", "0.1")

EXAMPLES = (
    Example("smallint", "int", ("-32768", "32767")),
    Example("integer", "int", ("-2147483648", "2147483647")),
    Example("integer", "long", ("-2147483648", "2147483647"), types="long"),
    Example("bigint", "long", ("-9223372036854775808", "9223372036854775807")),
    Example("bigint", "decimal(19,0)", ("-9223372036854775808", "9223372036854775807"), types="decimal(19,0)"),
    Example("numeric(12,2)", "decimal(12,2)", ("-9999999999.99", "0.00", "0.01")),
    Example("numeric(38,0)", "decimal(38,0)", ("9" * 38, "-" + "9" * 38)),
    Example("numeric(38,38)", "decimal(38,38)", ("0." + "9" * 38, "-0." + "0" * 37 + "1")),
    Example("numeric(38,9)", "decimal(38,9)", ("12345678901234567890123456789.123456789",)),
    Example("numeric(5,-2)", "decimal(7,0)", ("9999900", ("12345", "12300"), "-100")),
    Example("numeric(3,5)", "decimal(5,5)", ("0.00999", "-0.00001")),
    Example("numeric", "decimal(38,19)", (("0.1234567890123456789", "0.1234567890123456789"),), types="decimal(38,19)"),
    Example("numeric", "decimal(10,2)", (("1.5", "1.50"), ("1e3", "1000.00")), types="decimal(10,2)"),
    Example("numeric", "string", ("1.10", "9" * 60 + "." + "1" * 60, "NaN", "-Infinity"), types="string"),
    Example("numeric(50,2)", "string", ("9" * 48 + ".99", "NaN"), types="string"),
    Example("numeric(12,2)", "decimal(12,2)", ("1.10", ("NaN", None)), special="null"),
    Example("numeric(12,2)", "string", ("1.10", "NaN"), special="text"),
    Example("real", "float", (*_FLOATS, "1e-45", "3.4028235e+38", "1.1754944e-38")),
    Example("real", "double", ("NaN", "-0", "1.5"), types="double"),
    Example("double precision", "double", (*_FLOATS, "5e-324", "1.7976931348623157e+308", "2.2250738585072014e-308")),
    Example("double precision", "double", ("-0", ("NaN", None), ("-Infinity", None)), special="null"),
    Example("double precision", "decimal(5,2)", (("1.25", "1.25"), ("-0.5", "-0.50")), types="decimal(5,2)"),
    Example("money", "decimal(19,2)", (("-92233720368547758.08", "-92233720368547758.08"), ("1234.5", "1234.50"))),
    Example("money", "string", (("-1234.5", "-1234.50"),), types="string"),
    Example("boolean", "boolean", ("true", "false")),
    Example(
        "text",
        "string",
        ("", " two  spaces ", "tab\t, line\n, 'quote', \"double\", back\\slash", "𝔘nicode, é and é", "NULL"),
    ),
    Example("varchar(5)", "string", ("", "ab  ", "ünïçø")),
    Example("name", "string", ("pg_class",)),
    Example('"char"', "string", ("x",)),
    Example("char(4)", "string", (("ab", "ab  "), ("", "    "), ("é𝔘", "é𝔘  "), "full")),
    Example("bpchar", "string", ("ab  ", "")),
    Example("char(4)", "string", (("ab", "ab"), ("", ""), "full"), trim=True),
    Example("mood", "string", ("sad", "it's ok", "Ünïcode")),
    Example("bytea", "binary", ("\\x", "\\x00ff5c27")),
    Example("bytea", "string", ("\\x", "\\x00ff5c27"), types="string"),
    Example("uuid", "uuid", ("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff")),
    Example("date", "date", _DATES),
    Example("date", "date", (("infinity", None), ("-infinity", None), "2024-02-29"), special="null"),
    Example("date", "string", ("infinity", "-infinity", "0044-03-15 BC"), special="text"),
    Example("timestamp", "timestamp", _FAR_TIMES),
    Example("timestamp", "timestamp", tuple((t, None) for t in _BEYOND), special="null"),
    Example("timestamp", "string", _BEYOND, special="text"),
    Example("timestamptz", "timestamptz", _ZONED),
    Example("timestamptz", "timestamptz", (("2024-03-31 02:30:00+02", "2024-03-31 00:30:00+00"),)),
    Example("timestamptz", "timestamptz", tuple((t, None) for t in _BEYOND), special="null"),
    Example("time", "time", ("00:00:00", "23:59:59.999999")),
    Example("time", "time", (("24:00:00", None), "12:00:00"), special="null"),
    Example("time", "string", ("24:00:00", "12:00:00"), special="text"),
    Example("timetz", "string", ("12:00:00.5+05:30", "24:00:00-15:59:59")),
    Example(
        "interval",
        "string",
        (
            ("1 year -2 months 3 days -04:05:06.789", "P10M3DT-4H-5M-6.789S"),
            ("0", "PT0S"),
            ("-178000000 years", "P-178000000Y"),
            ("infinity", "infinity"),
        ),
    ),
    Example("json", "json", ('{"a":1.10, "a":2}', "null", '  "x" ', "12345678901234567890.12345")),
    Example("jsonb", "json", ('{"n": 12345678901234567890.12345}', "null", '"é"', "[1.10, null]")),
    Example(
        "integer[]", "json", (("{}", "[]"), ("{1,NULL,3}", "[1,null,3]"), ("{{1,2},{3,NULL}}", "[[1,2],[3,null]]"))
    ),
    Example("integer[]", "string", ("[2:3]={1,NULL}", "{{1,2},{3,4}}", "[0:0][5:6]={{1,2}}"), types="string"),
    Example("integer[]", "json", (("{1}", "[1]"), ("[2:3]={1,2}", None)), special="null"),
    Example("integer[]", "string", ("{1}", "[2:3]={1,2}"), special="text"),
    Example("text[]", "json", (('{NULL,"NULL",""," ","a,b","\\"q\\""}', '[null,"NULL",""," ","a,b","\\"q\\""]'),)),
    Example("numeric[]", "json", (("{1.10,NaN,1e30}", '[1.10,"NaN",1000000000000000000000000000000]'),)),
    Example("money[]", "json", (("{1.5,NULL}", "[1.50,null]"),)),
    Example("char(3)[]", "json", (("{a}", '["a  "]'),)),
    Example("date[]", "json", (("{infinity,2024-02-29,0044-03-15 BC}", '["infinity","2024-02-29","0044-03-15 BC"]'),)),
    Example("bytea[]", "json", (('{"\\\\x00ff"}', '["\\\\x00ff"]'),)),
    Example("mood[]", "json", (("{sad,NULL}", '["sad",null]'),)),
    Example(
        "pair", "json", (("(1,x)", '{"a":1,"b":"x"}'), ("(,)", '{"a":null,"b":null}'), ('(,"")', '{"a":null,"b":""}'))
    ),
    Example("pair", "string", ("(1,x)", "(,)"), types="string"),
    Example("pair[]", "json", (('{"(1,x)",NULL}', '[{"a":1,"b":"x"},null]'),)),
    Example(
        "nest",
        "json",
        (
            (
                '("(1,x)","{1,2}","2024-03-31 02:30:00+02",1.10)',
                '{"p":{"a":1,"b":"x"},"list":[1,2],"at":"2024-03-31T00:30:00+00:00","n":1.10}',
            ),
        ),
    ),
    Example(
        "nest",
        "json",
        (("(,[2:2]={1},,)", None), ('("(1,x)",,,)', '{"p":{"a":1,"b":"x"},"list":null,"at":null,"n":null}')),
        special="null",
    ),
    Example("int4range", "string", ("[1,10)", "empty", "(,)", ("(1,5]", "[2,6)"))),
    Example("numrange", "string", ("(1.10,)", "[0,1.5]")),
    Example(
        "tstzrange",
        "string",
        ('["2024-01-01 00:00:00+00","2024-06-01 00:00:00+00")', '["0044-03-15 00:00:00+00 BC",infinity]'),
    ),
    Example("datemultirange", "string", ("{}", "{[2024-01-01,2024-02-01),[2025-01-01,)}")),
    Example("floats", "string", ("[-0.1,1e+300]", "(,5e-324)")),
    Example("nummultirange", "string", ("{[1.0,2.50)}",)),
    Example("inet", "string", ("10.0.0.1", "10.0.0.1/8", "::ffff:1.2.3.4", "2001:db8::/32")),
    Example("cidr", "string", ("10.0.0.0/8", ("10.1", "10.1.0.0/16"))),
    Example("macaddr", "string", ("08:00:2b:01:02:03",)),
    Example("macaddr8", "string", ("08:00:2b:01:02:03:04:05",)),
    Example("bit(5)", "string", ("10101", "00000")),
    Example("bit varying(5)", "string", ("", "1")),
    Example("xml", "string", ("<a>é &amp; x</a>", "")),
    Example("jsonpath", "string", ('$."a"[*]',)),
    Example("tsvector", "string", ("'a':1A 'it''s':2,3",)),
    Example("tsquery", "string", ("'a' & !'b' <-> 'c':*",)),
    Example("point", "string", ("(0.1,-0)", "(NaN,Infinity)")),
    Example("line", "string", ("{1,-1,0}",)),
    Example("lseg", "string", ("[(1,2),(3,4)]",)),
    Example("box", "string", ("(3,4),(1,2)",)),
    Example("path", "string", ("[(1,2),(3,4)]", "((1,2),(3,4))")),
    Example("polygon", "string", ("((1,2),(3,4),(5,1e-300))",)),
    Example("circle", "string", ("<(1,2),3.3>",)),
    Example("oid", "long", ("0", "4294967295")),
    Example("regclass", "string", ("pg_class",)),
    Example("regtype", "string", ("double precision", "character varying")),
    Example("pg_lsn", "string", ("16/B374D848",)),
    Example("xid8", "string", ("18446744073709551615",)),
    Example("tid", "string", ("(4294967295,65535)",)),
    Example("int2vector", "string", ("1 2 3",)),
    Example("vector(3)", "string", ("[1,2.5,-3]",)),
)

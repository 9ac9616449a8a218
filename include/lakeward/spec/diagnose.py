"""pydantic's errors in plain words, each at its place in the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel

from lakeward.spec.document import Node, Path
from lakeward.spec.known import described, hint
from lakeward.spec.problems import Place, Problem, Trouble, meant
from lakeward.spec.scalars import LakeType

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_KINDS: Mapping[str, str] = {
    "string_type": "text",
    "string_sub_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "`true` or `false`",
    "bool_parsing": "`true` or `false`",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping (`key: value` lines)",
    "mapping_type": "a mapping (`key: value` lines)",
    "model_type": "a mapping (`key: value` lines)",
    "model_attributes_type": "a mapping (`key: value` lines)",
    "decimal_type": "a number",
    **dict.fromkeys(("date_type", "date_parsing", "date_from_datetime_parsing"), "a date"),
    "date_from_datetime_inexact": "a date without a time",
    "datetime_type": "a date and time",
}
_CUT = re.compile(r"(decimal|bucket|truncate)\(\s*[0-9]+\s*")
_YAML: Mapping[str, str] = {"True": "true", "False": "false"}
_FORMS: Mapping[str, str] = {
    r"^[A-Za-z0-9_.\-]+$": "may hold letters, digits and `_`, `.`, `-` only",
    r"^[a-z0-9]([a-z0-9_]*[a-z0-9])?$": "may hold small letters, digits and `_` only, with no `_` at either end",
    r"^([a-z0-9][a-z0-9_]*)?$": "may hold small letters, digits and `_` only, and does not begin with `_`",
    r"^expect_[a-z_]+$": "is no expectation: their names begin with `expect_`, as `expect_column_values_to_not_be_null`",
}
_OTHER_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("text", "varchar", "char", "str", "character varying", "enum"), "string"),
    **dict.fromkeys(("bigint", "int8", "int64", "bigserial"), "long"),
    **dict.fromkeys(("integer", "int4", "int32", "smallint", "int2", "serial"), "int"),
    **dict.fromkeys(("numeric", "number", "money", "decimal"), "decimal(precision,scale)"),
    **dict.fromkeys(("float8", "double precision", "float64"), "double"),
    **dict.fromkeys(("float4", "real", "float32"), "float"),
    **dict.fromkeys(("bytea", "bytes", "blob"), "binary"),
    "bool": "boolean",
    "jsonb": "json",
    "datetime": "timestamp",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
}


def locate(root: Node, loc: Iterable[object]) -> tuple[Path, Place, Node | None, bool]:
    """The longest path of the document that an error's location names, and whether parts (of unions) were left out."""
    path: Path = ()
    place, node = root.place, root
    skipped = False
    for part in loc:
        found = node.child(part) if isinstance(part, (str, int)) else None
        if found is None:
            skipped = True
            continue
        place, node = found
        path = (*path, part)  # type: ignore[arg-type]  # child() took it
    return path, place, node, skipped


def place(root: Node, trouble: Trouble) -> Problem:
    """A trouble at its place in the file, or at the nearest part above that the file has."""
    path, at, node, _ = locate(root, trouble.path)
    if path == trouble.path and node is not None and not isinstance(node.value, (list, dict)) and not trouble.key:
        at = node.place
    if trouble.at is not None and isinstance(node, Node) and isinstance(node.value, str) and at.width:
        quoted = at.width - len(node.value)  # two for a quoted scalar without escapes
        if quoted in {0, 2}:
            at = Place(at.line, at.column + quoted // 2 + trouble.at, 1)
    return Problem(at, trouble.reason, trouble.todo)


def diagnose(root: Node, errors: Iterable[ErrorDetails], model: type[BaseModel]) -> list[tuple[Path, Problem]]:
    """Every error as a problem, at its path; the branches of a union that were not meant are left out."""
    found: list[tuple[Path, bool, Place, ErrorDetails]] = []
    for error in errors:
        missing = error["type"] == "missing"
        path, place, node, skipped = locate(root, error["loc"][:-1] if missing else error["loc"])
        if error["type"] != "extra_forbidden" and error["loc"][-1:] != ("[key]",) and node is not None:
            place = _shown(place, node)
        found.append((path, skipped and not missing, place, error))
    unions = [path for path, skipped, _, _ in found if skipped]
    # pydantic counts the good items alone, so that a list with a bad one looks too short.
    inner = {path[:n] for path, _, _, _ in found for n in range(len(path))}
    found = [one for one in found if not (one[3]["type"] == "too_short" and one[0] in inner)]
    cut = {path[:-1] for path, _, _, error in found if _CUT.fullmatch(str(error["input"]))}
    found = [one for one in found if not (one[0][:-1] in cut and _is_rest(one[3], one[0]))]
    problems: dict[tuple[Path, str], tuple[Path, Problem]] = {}
    for path, skipped, place, error in found:
        if skipped and any(len(other) > len(path) and other[: len(path)] == path for other in unions):
            continue  # a deeper branch of the same union says more
        alike = [e for p, s, _, e in found if s and p == path] if skipped else [error]
        reason, todo = _explain(error, path, model) if len(alike) == 1 else _one_of(alike, path, model)
        problems.setdefault((path, reason), (path, Problem(place, reason, todo)))
    return list(problems.values())


def _is_rest(error: ErrorDetails, path: Path) -> bool:
    """Whether this is what stood behind the comma of a word that YAML cut in two: a key without value, or an item."""
    word = str(path[-1] if error["input"] is None else error["input"])
    return word.endswith(")") and "(" not in word


def _shown(place: Place, node: Node) -> Place:
    """A scalar is pointed at itself; a list or mapping by its key."""
    return place if isinstance(node.value, (list, dict)) else node.place


def _one_of(errors: Sequence[ErrorDetails], path: Path, model: type[BaseModel]) -> tuple[str, str]:
    """What no branch of a union took: all that would have been right."""
    wanted: dict[str, None] = {}
    words: list[str] = []
    for error in errors:
        if error["type"] in {"literal_error", "enum"}:
            words += _choices(error)
            wanted |= {f"`{word}`": None for word in _choices(error)}
        elif error["type"] in _KINDS:
            wanted[_KINDS[error["type"]]] = None
        else:
            return _explain(error, path, model)
    given = errors[0]["input"]
    todo = meant(given, words) if isinstance(given, str) else ""
    return f"{' or '.join(wanted)} is expected here, not {_said(given)}", todo


def _explain(error: ErrorDetails, path: Path, model: type[BaseModel]) -> tuple[str, str]:
    kind = error["type"]
    if kind in _KINDS:
        return _wrong_kind(error, _KINDS[kind])
    if kind in _REASONS:
        return _REASONS[kind](error, path, model)
    return error["msg"][:1].lower() + error["msg"][1:], ""


def _missing(error: ErrorDetails, path: Path, model: type[BaseModel]) -> tuple[str, str]:
    name = str(error["loc"][-1])
    return f"`{name}` is missing" + (f" in {_dotted(path)}" if path else ""), described(model, (*path, name))


def _unknown(error: ErrorDetails, path: Path, model: type[BaseModel]) -> tuple[str, str]:
    name = str(error["loc"][-1])
    return f"unknown key `{name}`", hint(name, path[:-1], model)


def _no_choice(error: ErrorDetails, _path: Path, _model: type[BaseModel]) -> tuple[str, str]:
    known = _choices(error)
    return f"{_value(error)} is not known here; known: {', '.join(known)}", meant(str(error["input"]), known)


def _bad_word(error: ErrorDetails, _path: Path, _model: type[BaseModel]) -> tuple[str, str]:
    reason, given = str(error.get("ctx", {})["error"]), str(error["input"])
    if _CUT.fullmatch(given):
        return f"`{given}` is cut off at its comma", "Inside `{ }` and `[ ]` put it in quotes: `'decimal(12,2)'`."
    if not reason.endswith(LakeType.example):
        return reason, ""
    if re.fullmatch(r"decimal\(\s*[0-9]+\s*,\s*[0-9]+\s*\)", given):
        return f"`{given}`: a decimal has 1 to 38 digits", "Carry wider numbers as `string`."
    known = [word for word in LakeType.form.split("|") if word.isalpha()]
    other = _OTHER_TYPES.get(given.lower().split("(")[0].strip())
    todo = f"In the lake this is `{other}`." if other else meant(given, known)
    return f"unknown type `{given}`; known: {', '.join(known)}, decimal(precision,scale)", todo


def _no_match(error: ErrorDetails, path: Path, model: type[BaseModel]) -> tuple[str, str]:
    pattern = str(error.get("ctx", {})["pattern"])
    if pattern in _FORMS:
        return f"{_value(error)} {_FORMS[pattern]}", ""
    return f"{_value(error)} is not of the form expected", described(model, path)


_REASONS: Mapping[str, Callable[[ErrorDetails, Path, type[BaseModel]], tuple[str, str]]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "literal_error": _no_choice,
    "enum": _no_choice,
    "string_pattern_mismatch": _no_match,
    "value_error": _bad_word,
    **dict.fromkeys(("greater_than_equal", "less_than_equal"), lambda error, path, _model: (_bounded(error, path), "")),
    **dict.fromkeys(
        ("too_short", "too_long", "string_too_short", "string_too_long"),
        lambda error, path, _model: (_length(error, path), ""),
    ),
}


def _wrong_kind(error: ErrorDetails, wanted: str) -> tuple[str, str]:
    given = error["input"]
    todo = ""
    if wanted == "text" and given is not None and not isinstance(given, (list, dict)):
        todo = "Put it in quotes."
    elif wanted == "a list" and given is not None:
        todo = "Begin each item with `- `, or write `[a, b]`."
    return f"{wanted} is expected here, not {_said(given)}", todo


def _length(error: ErrorDetails, path: Path) -> str:
    context = error.get("ctx", {})
    name = f"`{path[-1]}`" if path else "this"
    least, most = context.get("min_length"), context.get("max_length")
    bound = f"at least {least}" if least is not None else f"at most {most}"
    unit = "character" if error["type"].startswith("string") else "item"
    return f"{name} needs {bound} {unit}{'' if (least or most) == 1 else 's'}"


def _bounded(error: ErrorDetails, path: Path) -> str:
    context = error.get("ctx", {})
    bound = f"at least {context['ge']:g}" if "ge" in context else f"at most {context['le']:g}"
    return f"{f'`{path[-1]}`' if path else 'this'} must be {bound}, not {_said(error['input'])}"


def _said(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return f"`{_YAML.get(str(value), str(value)) if isinstance(value, bool) else value}`"


def _value(error: ErrorDetails) -> str:
    return _said(error["input"]) if error["input"] != "" else "empty text"


def _choices(error: ErrorDetails) -> list[str]:
    expected = str(error.get("ctx", {}).get("expected", ""))
    words = (word.strip() for word in expected.replace(" or ", ", ").split(","))
    return [word.strip("'") if word.startswith("'") else _YAML.get(word, word) for word in words]


def _dotted(path: Path) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return f"`{text.removeprefix('.')}`"

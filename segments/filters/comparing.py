"""Comparing texts, numbers, times and lists: the operators by type, and the SQL condition that each is.

Braze: custom attribute data types, segmentation options. What is compared is an SQL expression of ours, either a text
(a column) or a jsonb value. A value is taken for what it is: a text never counts as a number, and one that is no date
never fails a comparison of dates.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from segments.filters import dates
from segments.filters.base import Context, Leaf, Operator
from segments.filters.regex import Regex
from segments.filters.values import Choice, Number, Several, Text

#: An SQL condition with its parameters.
Condition = tuple[str, list[Any]]

_NULL_HINT = _("Users who have no value for this attribute match, as in Braze. To leave them out, add “is not blank”.")
_ZERO_HINT = _("“Exactly 0” also matches users who have no value for this attribute, as in Braze.")
_REGEX_HINT = _("Regular expressions match a part of the text unless anchored, and take no notice of case.")
_NO_REGEX_HINT = _("Users without a value do not match, as in Braze. To have them too, add OR “is blank”.")

BLANK: Final = (
    Operator("is_blank", _("is blank")),
    Operator("is_not_blank", _("is not blank"), negates="is_blank"),
)
EQUALITY: Final = (
    Operator("equals", _("equals"), Text()),
    Operator("does_not_equal", _("does not equal"), Text(), negates="equals"),
    Operator("is_any_of", _("is any of"), Several()),
    Operator("is_none_of", _("is none of"), Several(), negates="is_any_of"),
)
#: Texts that are never blank, such as those of rows beside the profiles.
PATTERNS: Final = (
    Operator("contains", _("contains"), Text()),
    Operator("does_not_contain", _("does not contain"), Text(), negates="contains"),
    Operator("contains_any_of", _("contains any of"), Several()),
    Operator("contains_none_of", _("does not contain any of"), Several(), negates="contains_any_of"),
    Operator("matches_regex", _("matches regex"), Regex(), hint=_REGEX_HINT),
)
STRINGS: Final = (
    *EQUALITY,
    *PATTERNS,
    Operator("does_not_match_regex", _("does not match regex"), Regex(), hint=_NO_REGEX_HINT),
    *BLANK,
)


def numbers(*, null_counts: bool) -> tuple[Operator, ...]:
    """Comparisons of numbers; ``null_counts``: the hints tell that users without a value count as having 0."""
    less, zero = (_NULL_HINT, _ZERO_HINT) if null_counts else ("", "")
    return (
        Operator("exactly", _("exactly"), Number(), hint=zero),
        Operator("does_not_equal", _("does not equal"), Number(), negates="exactly"),
        Operator("more_than", _("more than"), Number()),
        Operator("less_than", _("less than"), Number(), hint=less),
        Operator("at_least", _("at least"), Number()),
        Operator("at_most", _("at most"), Number(), hint=less),
        *BLANK,
    )


_BOOLEANS: Final = Choice(
    (
        ("true", _("true")),
        ("false", _("false")),
        ("true_or_not_set", _("true or not set")),
        ("false_or_not_set", _("false or not set")),
    )
)
BOOLEANS: Final = (Operator("is", _("is"), _BOOLEANS), *BLANK)
TIMES: Final = (*dates.PAST, *dates.FUTURE, *BLANK)
ARRAYS: Final = (
    Operator("includes_value", _("includes value"), Text()),
    Operator("does_not_include_value", _("does not include value"), Text(), negates="includes_value"),
    Operator("includes_any_of", _("includes any of"), Several()),
    Operator("includes_none_of", _("includes none of"), Several(), negates="includes_any_of"),
    Operator("includes_all_of", _("includes all of"), Several()),
    Operator("does_not_include_all_of", _("does not include all of"), Several(), negates="includes_all_of"),
    Operator("values_contain_any_of", _("values contain any of"), Several()),
    Operator("values_contain_none_of", _("values do not contain any of"), Several(), negates="values_contain_any_of"),
    Operator("matches_regex", _("matches regex"), Regex(), hint=_REGEX_HINT),
    Operator("is_blank", _("is empty")),
    Operator("is_not_blank", _("has a value"), negates="is_blank"),
)

_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
COMPARISONS: Final = {"exactly": "=", "more_than": ">", "less_than": "<", "at_least": ">=", "at_most": "<="}


@dataclass(frozen=True)
class Expression:
    """SQL of ours, with the parameters that it takes."""

    sql: str
    params: tuple[Any, ...] = ()

    def put(self, template: str, *more: Any) -> Condition:
        """``template`` with the expression for each ``[x]``, all of which stand before the parameters ``more``."""
        params = self.params * template.count("[x]")
        return template.replace("[x]", self.sql), [*params, *more]

    def of(self, template: str) -> "Expression":
        """An expression over this one, which stands for each ``[x]``."""
        return Expression(template.replace("[x]", self.sql), self.params * template.count("[x]"))


@dataclass(frozen=True)
class Json(Expression):
    """SQL of type jsonb, null where there is no value. ``text`` is the same as a text; of a time, that of the time."""

    text: Expression = Expression("null")


# --- Texts in columns ------------------------------------------------------------------------------------------------


def text_condition(leaf: Leaf, text: Expression) -> Condition:
    """A leaf with one of ``STRINGS`` that negates nothing; ``text`` is an SQL text, "" or null where there is none."""
    one = leaf.value
    several = one if isinstance(one, list) else [one]
    if leaf.operator == "is_blank":
        return text.put("coalesce([x], '') = ''")
    if leaf.operator in ("equals", "is_any_of"):
        return text.put("[x] = ANY(%s)", several)
    return _pattern(leaf.operator, text, several)


def _pattern(operator: str, text: Expression, several: Sequence[str]) -> Condition:
    if operator == "matches_regex":
        return text.put("[x] <> '' AND [x] ~* %s", several[0])
    if operator == "does_not_match_regex":
        return text.put("[x] <> '' AND [x] !~* %s", several[0])
    if len(several) == 1:
        return text.put("strpos([x], %s) > 0", several[0])
    return text.put("[x] LIKE ANY(%s)", [f"%{_escaped(one)}%" for one in several])


def _escaped(text: str) -> str:
    return re.sub(r"([%_\\])", r"\\\1", text)


# --- Values in JSON --------------------------------------------------------------------------------------------------


def json_condition(type_: str, leaf: Leaf, context: Context, value: Json) -> Condition:
    """A leaf with an operator of that type which negates nothing.

    Whether users without a value match as well is another question: ``counts_blank``.
    """
    if leaf.operator == "is_blank":
        return blank(value)
    return _CONDITIONS[type_](leaf, context, value)


def blank(value: Expression) -> Condition:
    """That there is no value: none at all, null, "" or an empty array."""
    return value.put("""coalesce([x], 'null') IN ('null', '""', '[]')""")


def counts_blank(type_: str, leaf: Leaf) -> bool:
    """Whether users without a value pass, as in Braze: "exactly 0", "less than", "true or not set"."""
    if type_ == "number":
        return leaf.operator in ("less_than", "at_most") or (leaf.operator == "exactly" and leaf.value == 0)
    return type_ == "boolean" and leaf.operator == "is" and str(leaf.value).endswith("_or_not_set")


def _string(leaf: Leaf, context: Context, value: Json) -> Condition:
    several = leaf.value if isinstance(leaf.value, list) else [leaf.value]
    if leaf.operator in ("equals", "is_any_of"):
        return value.put("[x] = ANY(%s::jsonb[])", [json.dumps(one) for one in several])
    is_text, params = value.put("jsonb_typeof([x]) = 'string'")
    said, more = _pattern(leaf.operator, value.text, several)
    return f"{is_text} AND {said}", [*params, *more]


def _number(leaf: Leaf, context: Context, value: Json) -> Condition:
    # JSON's numbers compare as numbers: no cast, and the type is looked at only where the rest holds. Half the time.
    compared, params = value.put(f"[x] {COMPARISONS[leaf.operator]} %s::jsonb", json.dumps(leaf.value))
    is_number, more = value.put("jsonb_typeof([x]) = 'number'")
    return f"{compared} AND {is_number}", [*params, *more]


def number_condition(leaf: Leaf, number: Expression) -> Condition:
    """A leaf with one of ``numbers`` that negates nothing and is not about blanks; ``number`` is an SQL number."""
    # Text, because a float parameter would be compared as a float: 0.1 is then not 0.1.
    return number.put(f"[x] {COMPARISONS[leaf.operator]} %s::numeric", repr(leaf.value))


def _boolean(leaf: Leaf, context: Context, value: Json) -> Condition:
    wanted = "true" if leaf.value.startswith("true") else "false"
    return value.put(f"[x] = '{wanted}'::jsonb")


def time_of(text: Expression) -> Expression:
    """The moment that an SQL text names, as a timestamptz; null for a text that names none."""
    # The shape keeps out what PostgreSQL also takes for a time, such as "now". LIKE costs a tenth of a regex.
    is_time = "[x] LIKE '____-__-__%%' AND pg_input_is_valid([x], 'timestamptz')"
    return text.of(f"(CASE WHEN {is_time} THEN [x]::timestamptz END)")


def _time(leaf: Leaf, context: Context, value: Json) -> Condition:
    moment = time_of(value.text)
    condition, params = dates.time_condition(leaf, context, moment.sql)
    return condition, [*moment.params, *params]


def _array(leaf: Leaf, context: Context, value: Json) -> Condition:
    array = value.of("(CASE WHEN jsonb_typeof([x]) = 'array' THEN [x] END)")
    several = leaf.value if isinstance(leaf.value, list) else [leaf.value]
    if leaf.operator in ("includes_value", "includes_any_of"):
        return _includes_any(array, several)
    if leaf.operator == "includes_all_of":
        parts = [_includes_any(array, [one]) for one in several]
        return " AND ".join(f"({said})" for said, _params in parts), [one for _said, params in parts for one in params]
    element = Expression("(CASE WHEN jsonb_typeof(element) IN ('string', 'number') THEN element #>> '{}' END)")
    said, params = _pattern("matches_regex" if leaf.operator == "matches_regex" else "contains", element, several)
    condition, own = array.put(f"EXISTS (SELECT FROM jsonb_array_elements([x]) AS element WHERE {said})")
    return condition, [*own, *params]


def _includes_any(array: Expression, several: Sequence[str]) -> Condition:
    """People type numbers and booleans as texts: a text matches the number or boolean that is written like it."""
    condition, params = array.put("[x] ?| %s::text[]", several)
    if others := [one for one in several if _NUMBER.fullmatch(one) or one in ("true", "false")]:
        more, more_params = array.put("[x] @> ANY(%s::jsonb[])", others)
        return f"{condition} OR {more}", [*params, *more_params]
    return condition, params


_CONDITIONS: Final[dict[str, Callable[[Leaf, Context, Json], Condition]]] = {
    "string": _string,
    "number": _number,
    "boolean": _boolean,
    "date": _time,
    "array": _array,
}

"""How numbers are written in one column, learned from its texts."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from housing_core.cleaning import (
    NumberRule,
    is_missing,
    normalise_text,
    parse_number,
    split_number,
)

MISSING_TEXTS = 100
"""Most texts of a numeric column that are learned as "no value"."""

_UNIT_START = re.compile(r"[^\W\d_]|[%/²³°]")
_GROUPS = re.compile(r"\d{1,3}(?:[.,'’ ]\d{3})+")
_MARKS = ".,'’"
_FEW = 3
_MANY = 20
_MAJORITY = 0.5


@dataclass(frozen=True, slots=True)
class LearnedNumbers:
    """A rule and how well it fits.

    Attributes:
        readable: share of the present cells that the rule reads, 0 to 1.
        values: the number of each text that it reads.
        coded: share of the read cells with a leading zero such as `007`: codes, not quantities.

    """

    rule: NumberRule
    readable: float
    values: Mapping[str, float]
    coded: float


def learn_numbers(texts: Iterable[tuple[str, int]], *, known_to_be: bool = False) -> LearnedNumbers:
    """Learn the number rule of a column.

    Args:
        texts: each distinct raw text with its number of cells; missing ones are passed over.
        known_to_be: whether the spec says that the column holds numbers. Then what stands beside
            few different numbers is a unit too, where nothing could be read otherwise.

    """
    present: Counter[str] = Counter()
    for text, count in texts:
        if count and not is_missing(text):
            present[normalise_text(text).casefold()] += count
    parts = {text: split for text in present if (split := split_number(text))}
    rule = _marks(
        Counter({text: present[text] for text in parts}),
        {text: number for text, (_, number, _) in parts.items()},
    )
    values: dict[str, float] = {}
    for few, many in ((_FEW, _MANY), *([(1, 1)] if known_to_be else [])):
        rule = replace(
            rule,
            prefixes=_prefixes(parts, present, many),
            suffixes=_suffixes(parts, present, few),
        )
        values = {text: value for text in parts if (value := parse_number(text, rule)) is not None}
        if values:
            break
    total = present.total()
    read = sum(present[text] for text in values)
    coded = sum(present[t] for t in values if re.match(r"[-+]?0\d", parts[t][1]))
    unread = Counter({text: n for text, n in present.items() if text not in values})
    missing = tuple(sorted(text for text, _ in unread.most_common(MISSING_TEXTS)))
    return LearnedNumbers(
        rule=replace(rule, missing=missing),
        readable=read / total if total else 0.0,
        values=values,
        coded=coded / read if read else 0.0,
    )


def write_number(value: float, rule: NumberRule) -> str:
    """A finite number as a column with this rule writes it; `parse_number` reads it back.

    It teaches `learn_numbers` what the column's other cells do: which mark parts groups, and which
    prefix is its own.
    """
    whole, _, fraction = format(Decimal(repr(value)), "f").partition(".")
    if rule.thousands:
        whole = f"{int(whole):,}".replace(",", rule.thousands[0]) if int(whole) else whole
    if fraction.strip("0"):
        # Three digits could be taken for a group.
        whole += rule.decimal + (f"{fraction}0" if len(fraction) == 3 else fraction)
    return f"{rule.prefixes[0]} {whole}" if rule.prefixes else whole


Parts = Mapping[str, tuple[str, str, str]]


def _prefixes(parts: Parts, present: Counter[str], fewest: int) -> tuple[str, ...]:
    """The column's one currency mark, or the word before most of its numbers, such as `usd`.

    A word before fewer numbers than `fewest` may be part of a category. Two currencies would be two
    scales in one column, so only the more frequent one counts.
    """
    cells_of: Counter[str] = Counter()
    numbers_of: dict[str, set[str]] = {}
    for text, (prefix, number, _) in parts.items():
        if prefix:
            cells_of[prefix] += present[text]
            numbers_of.setdefault(prefix, set()).add(number)
    total = sum(present[text] for text in parts)
    for prefix, count in cells_of.most_common():
        symbol = all(unicodedata.category(mark) == "Sc" for mark in prefix)
        word = prefix.replace(".", "").replace(" ", "").isalpha()
        if symbol or (word and count >= _MAJORITY * total and len(numbers_of[prefix]) >= fewest):
            return (prefix,)
    return ()


def _suffixes(parts: Parts, present: Counter[str], fewest: int) -> tuple[str, ...]:
    """The column's one unit and, where they occur, its continuations (`tl` and `tl (reduced)`).

    A text that follows fewer numbers than `fewest`, such as `21 and over`, is part of a category.
    Two different units would be two scales in one column, so only the more frequent one counts.
    """
    cells_of: Counter[str] = Counter()
    numbers_of: dict[str, set[str]] = {}
    for text, (_, number, rest) in parts.items():
        if rest and (_UNIT_START.match(rest) or unicodedata.category(rest[0]) == "Sc"):
            cells_of[rest] += present[text]
            numbers_of.setdefault(rest, set()).add(number)
    units = [rest for rest, _ in cells_of.most_common() if len(numbers_of[rest]) >= fewest]
    if not units:
        return ()
    unit = units[0]
    continued = [rest for rest in cells_of if rest != unit and re.fullmatch(_continued(unit), rest)]
    return (re.escape(unit), _continued(unit)) if continued else (re.escape(unit),)


def _continued(unit: str) -> str:
    """Whatever goes on behind a unit without making it another word: not `mm` for `m`."""
    return re.escape(unit) + r".*[\W\d_].*"


def _marks(present: Counter[str], numbers: Mapping[str, str]) -> NumberRule:
    """Which mark parts groups of three digits, and which the fraction.

    `1.234,56` says it by itself; `2.250` does not. There the column decides: a mark that is always
    followed by three digits parts groups when some number has it twice, when it is a comma or an
    apostrophe, or when the column writes whole numbers below 1,000 without it and none above, or
    when most of its groups end in zero, which fractions seldom do.
    """
    bare = {text: number.lstrip("+-") for text, number in numbers.items()}
    decimal, thousands = Counter[str](), Counter[str]()
    single: dict[str, Counter[str]] = {}
    for text, number in bare.items():
        marks = [mark for mark in number if mark in _MARKS]
        if not marks:
            continue
        if len(set(marks)) > 1:
            decimal[marks[-1]] += present[text]
            thousands[marks[0]] += present[text]
        elif len(marks) > 1 or marks[0] in "'’":
            thousands[marks[0]] += present[text]
        elif not _GROUPS.fullmatch(number) or number.startswith("0"):
            decimal[marks[0]] += present[text]
        else:
            single.setdefault(marks[0], Counter())[number] += present[text]
    for mark, groups in single.items():
        if decimal[mark] > thousands[mark]:
            continue
        if (
            thousands[mark]
            or mark == ","
            or decimal["," if mark == "." else "."]
            or _looks_grouped(groups, [n for n in bare.values() if n.isdigit()])
        ):
            thousands[mark] += groups.total()
        else:
            decimal[mark] += groups.total()
    group_marks = tuple(m for m in _MARKS if thousands[m] > decimal[m])
    candidates = [m for m in ".," if m not in group_marks]
    point = max(candidates, key=lambda m: decimal[m]) if candidates else "."
    return NumberRule(decimal=point, thousands="".join(m for m in group_marks if m != point))


def _looks_grouped(groups: Counter[str], plain: list[str]) -> bool:
    below = [number for number in plain if int(number) < 1000]
    if below and len(below) == len(plain):
        return True
    ends_in_zero = sum(count for number, count in groups.items() if number.endswith("0"))
    return ends_in_zero >= _MAJORITY * groups.total()

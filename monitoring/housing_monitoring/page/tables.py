"""Tables of a page, and how it writes numbers. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# What would change the direction of the text around it, break a line, or not be seen at all.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)

NAME_CHARACTERS = 80
TEXT_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; numbers stand to the right."""

    name: str
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts; `narrow` fits a phone as it is, others become a list there."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    more: str = ""
    narrow: bool = False

    def without_empty_columns(self) -> Table:
        """The table without the columns in which no row says anything."""
        kept = [i for i in range(len(self.columns)) if any(row[i] for row in self.rows)]
        return Table(
            self.caption,
            [self.columns[i] for i in kept],
            [[row[i] for i in kept] for row in self.rows],
            self.more,
            self.narrow,
        )


def columns(*names: str) -> list[Column]:
    """Columns by name; those that end in `*` hold numbers."""
    return [Column(name.rstrip("*"), name.endswith("*")) for name in names]


def more(count: int, what: str) -> str:
    """What a bounded table says of the rows that it leaves out."""
    return f"{count:,} more {what} are in the JSON beside this page." if count > 0 else ""


def name_of(text: str) -> str:
    """A name, cut to what a page has room for."""
    return cut(text, NAME_CHARACTERS)


def text_of(text: str) -> str:
    """A sentence, cut to what a page has room for."""
    return cut(text, TEXT_CHARACTERS)


def visible(text: str) -> str:
    """A text in which nothing is hidden: a control character is shown as its escape."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def cut(text: str, characters: int) -> str:
    """A visible text of so many characters at most, cut with an ellipsis."""
    text = visible(text[: characters + 1])
    return text if len(text) <= characters else text[: characters - 1] + "…"


def spaced(name: str) -> str:
    """`MeanShift` and `mean_shift` as people write them: `Mean shift`, `mean shift`."""
    parted = re.sub(r"(?<=[a-z])[A-Z]", lambda found: f" {found[0].lower()}", name)
    return parted.replace("_", " ")


def digits(value: float | None) -> str:
    """A number with the digits that a person would compare; nothing for None."""
    if value is None:
        return ""
    return f"{value:,.0f}" if 10_000 <= abs(value) < 1e15 else f"{value:.4g}"


def percent(share: float | None) -> str:
    """A share in percent; nothing for None."""
    return "" if share is None else f"{share:.1%}"


def change(before: float | None, now: float | None, *, share: bool = False) -> str:
    """`before → now`; nothing where both are unknown."""
    if before is None and now is None:
        return ""
    shown = percent if share else digits
    return f"{shown(before) or 'none'} → {shown(now) or 'none'}"

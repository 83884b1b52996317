"""How a text file of rows is written: encoding, separator and quoting, found from its content."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from dataclasses import dataclass

from housing_training.errors import InvalidDataError

SAMPLE_CHARACTERS = 262_144
SAMPLE_RECORDS = 200
SEPARATORS = (",", ";", "\t", "|")

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TURKISH_IN_1254 = re.compile(rb"[\xd0\xdd\xde\xf0\xfd\xfe]")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How rows and cells are parted.

    Attributes:
        separator: one character between cells.
        quote: the character around cells that hold separators or line ends.
        escape: the character before a quote within a quoted cell; None where it is doubled.

    """

    separator: str
    quote: str = '"'
    escape: str | None = None


def decode(content: bytes, name: str) -> str:
    """The text of a file: UTF-8, UTF-16 or UTF-32, else Windows-1254 or Windows-1252.

    The two Windows code pages differ in six letters only. Where one of them occurs, the file is
    read as Turkish: the Icelandic letters in their place are rare in listings.

    Raises:
        InvalidDataError: when the bytes are no text.

    """
    text = _decode(content)
    sample = text[:SAMPLE_CHARACTERS]
    if len(_CONTROLS.findall(sample)) > len(sample) / 1000:
        raise InvalidDataError(
            f"{name} is a binary file: give CSV or Parquet files, or set dataset.uri to a "
            "folder or glob without it"
        )
    return text


def _decode(content: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    sample = content[:SAMPLE_CHARACTERS]
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        # Text in Latin letters has a zero byte in every second place.
        if sample[offset::2].count(0) > len(sample) / 4 > 0 == sample[1 - offset :: 2].count(0):
            return content.decode(encoding, errors="replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        turkish = _TURKISH_IN_1254.search(content)
        return content.decode("cp1254" if turkish else "cp1252", errors="replace")


def detect_dialect(text: str) -> tuple[Dialect, str]:
    """The dialect of a text, and the text without a leading `sep=;` line.

    The separator is the one by which most records have as many cells as the first record.
    """
    stated = _SEPARATOR_LINE.match(text)
    if stated:
        text = text[stated.end() :]
    sample = text[:SAMPLE_CHARACTERS]
    candidates = (stated.group(1),) if stated else SEPARATORS
    best, best_score = Dialect(candidates[0]), (0.0, 0)
    for separator in candidates:
        dialect = _quoting(sample, separator)
        score = _score(sample, dialect)
        if score > best_score:
            best, best_score = dialect, score
    return best, text


def read_header(text: str, dialect: Dialect) -> list[str]:
    """The cells of the first record that is not empty."""
    for record in _records(text[:SAMPLE_CHARACTERS], dialect):
        if record:
            return record
    return []


def _quoting(sample: str, separator: str) -> Dialect:
    counts = {
        quote: len(re.findall(rf"(?:^|{re.escape(separator)}){quote}", sample, re.MULTILINE))
        for quote in ('"', "'")
    }
    quote = "'" if counts["'"] > counts['"'] else '"'
    escaped = f"\\{quote}" in sample and quote * 2 + separator not in sample
    return Dialect(separator, quote, "\\" if escaped else None)


def _score(sample: str, dialect: Dialect) -> tuple[float, int]:
    """Share of records as wide as the most common width, and that width; more is better."""
    widths = Counter(len(record) for record in _records(sample, dialect) if record)
    if not widths:
        return (0.0, 0)
    width, count = widths.most_common(1)[0]
    if width == 1:
        return (0.0, 1)
    return (round(count / widths.total(), 2), width)


def _records(sample: str, dialect: Dialect) -> list[list[str]]:
    lines = sample.splitlines(keepends=True)
    if len(sample) == SAMPLE_CHARACTERS and len(lines) > 1:
        lines.pop()  # cut off in its middle
    reader = csv.reader(
        lines,
        delimiter=dialect.separator,
        quotechar=dialect.quote,
        doublequote=dialect.escape is None,
        escapechar=dialect.escape,
    )
    records: list[list[str]] = []
    try:
        for record in reader:
            records.append(record)
            if len(records) == SAMPLE_RECORDS:
                break
    except csv.Error:  # a cell longer than the csv module takes: what came before it decides
        pass
    return records

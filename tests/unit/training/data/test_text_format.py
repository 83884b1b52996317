"""Encodings, separators and quoting are found from a file's content."""

import pytest

from housing_training.data.text_format import Dialect, decode, detect_dialect, read_header
from housing_training.errors import InvalidDataError

TEXT = "İlçe;Fiyat\nKadıköy;100\nŞişli;200\n"


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1254"],
)
def test_turkish_text_is_read_in_every_encoding(encoding: str) -> None:
    assert decode(TEXT.encode(encoding), "file.csv") == TEXT


def test_western_text_is_read_as_windows_1252() -> None:
    assert decode("Straße;Größe;Prix €\n".encode("cp1252"), "file.csv") == "Straße;Größe;Prix €\n"


@pytest.mark.parametrize(
    "content", [bytes(range(256)) * 20, b"\x89PNG\r\n\x1a\n" + b"\x00\x01\x02\x03" * 100]
)
def test_a_binary_file_is_refused_by_its_name(content: bytes) -> None:
    with pytest.raises(InvalidDataError, match=r"photo\.csv is a binary file"):
        decode(content, "photo.csv")


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("a,b\n1,2\n3,4\n", Dialect(",")),
        ("a;b\n1,5;2,5\n3,5;4,5\n", Dialect(";")),
        ("a\tb\n1\t2\n", Dialect("\t")),
        ("a|b|c\n1|2|3\n", Dialect("|")),
        ("a\n1\n2\n", Dialect(",")),
        ('a,b\n"x, y",2\n"z, w",3\n', Dialect(",")),
        ("a,b\n'x, y','2'\n'z, w','3'\n", Dialect(",", "'")),
        ('a,b\n"x \\" y",2\n', Dialect(",", '"', "\\")),
        ('a;b\n"line one\nline two";2\n"x";3\n', Dialect(";")),
        ("sep=;\na;b\n1;2\n", Dialect(";")),
        ("address;price\nA, B, C;1\nD, E, F;2\nG, H, I;3\n", Dialect(";")),
    ],
)
def test_the_dialect_is_the_one_in_which_all_records_have_as_many_cells(
    text: str, dialect: Dialect
) -> None:
    assert detect_dialect(text)[0] == dialect


def test_a_separator_line_is_not_the_header() -> None:
    dialect, text = detect_dialect("sep=;\r\na;b\r\n1;2\r\n")
    assert read_header(text, dialect) == ["a", "b"]


def test_the_header_may_hold_quoted_line_ends() -> None:
    text = '"price\n(TL)",area\n1,2\n'
    assert read_header(text, Dialect(",")) == ["price\n(TL)", "area"]

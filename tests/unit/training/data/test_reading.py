"""Files of many kinds become one frame of texts; files that cannot are named."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from housing_training.data.reading import Listings, cells, is_unnamed, read_listings
from housing_training.errors import InvalidDataError
from tests.unit.training.listings import dirty_rows, to_csv, write


def column(listings: Listings, name: str) -> list[str | None]:
    found = cells(listings.frame, name)
    return [found.texts[code] if code >= 0 else None for code in found.codes]


def parquet(folder: Path, table: pa.Table, name: str = "listings.parquet") -> Path:
    pa.parquet.write_table(table, folder / name)
    return folder / name


def test_every_cell_is_still_the_text_of_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, 'price,area,rooms\n"3,100,000TL",2.250 m2,3+1\n007,,n/a\n')
    found = read_listings([file], "Auto", "price")
    assert column(found, "price") == ["3,100,000TL", "007"]
    assert column(found, "area") == ["2.250 m2", ""]
    assert column(found, "rooms") == ["3+1", "n/a"]
    assert not found.numeric


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1254"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_same_listings_are_read_whatever_the_dialect(
    tmp_path: Path, encoding: str, separator: str
) -> None:
    rows = [{**row, "Görünüm": "Deniz"} for row in dirty_rows(50)]
    file = write(tmp_path, to_csv(rows, separator).encode(encoding))
    found = read_listings([file], "CSV", "Fiyat")
    assert column(found, "Mahalle") == [row["Mahalle"] for row in rows]
    assert column(found, "Fiyat") == [row["Fiyat"] for row in rows]


def test_a_gzip_file_is_unpacked(tmp_path: Path) -> None:
    file = write(tmp_path, gzip.compress(b"price,area\n1,2\n"), "listings.csv.gz")
    assert column(read_listings([file], "Auto", "price"), "area") == ["2"]


def test_parquet_columns_keep_that_they_are_numbers(tmp_path: Path) -> None:
    path = parquet(
        tmp_path,
        pa.table(
            {
                "price": [1_000_000, 2_500_000, None],
                "area": [85.5, float("nan"), 120.0],
                "lift": [True, False, None],
                "district": ["Kadıköy", None, "Şişli"],
                "tags": [["a", "ö"], None, []],
            }
        ),
    )
    found = read_listings([write(tmp_path, path.read_bytes(), path.name)], "Auto", "price")
    assert found.numeric == {"price", "area"}
    assert column(found, "price") == ["1000000", "2500000", None]
    assert column(found, "area") == ["85.5", None, "120"]
    assert column(found, "lift") == ["true", "false", None]
    assert column(found, "district") == ["Kadıköy", None, "Şişli"]
    assert column(found, "tags") == ['["a", "ö"]', None, "[]"]


def test_files_of_differing_columns_are_put_together_with_a_message(tmp_path: Path) -> None:
    old = write(tmp_path, "price,area\n1,2\n", "old.csv")
    new = write(tmp_path, "area,price,lift\n3,4,yes\n", "new.csv")
    found = read_listings([old, new], "Auto", "price")
    assert column(found, "price") == ["1", "4"]
    assert column(found, "lift") == [None, "yes"]
    assert any("'lift' is in 1 of 2 files" in m and "old.csv" in m for m in found.messages)


def test_unnamed_and_repeated_columns_get_names_of_their_own(tmp_path: Path) -> None:
    found = read_listings([write(tmp_path, ",price,area,area, \n0,1,2,3,\n")], "Auto", "price")
    assert list(found.frame.columns) == ["Unnamed: 0", "price", "area", "area.1", "Unnamed: 4"]
    assert [is_unnamed(name) for name in found.frame.columns] == [True, False, False, False, True]
    assert any("two columns 'area'" in message for message in found.messages)


def test_column_names_are_told_apart_by_their_letters_not_their_bytes(tmp_path: Path) -> None:
    decomposed = "I\u0307lc\u0327e"
    found = read_listings([write(tmp_path, f"{decomposed} ,price\nx,1\n")], "Auto", "price")
    assert list(found.frame.columns) == ["İlçe", "price"]


def test_a_few_rows_with_wrong_cells_are_left_out_and_counted(tmp_path: Path) -> None:
    good = "".join(f"{n},{n}\n" for n in range(300))
    file = write(tmp_path, f"price,area\n1,2,3\n{good}")
    found = read_listings([file], "Auto", "price")
    assert len(found.frame) == 300
    assert any("1 of 301 rows" in message and "row 2" in message for message in found.messages)


HEADER_ONLY_PARQUET = b"PAR1" + b"\0" * 50


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", "empty.csv is empty"),
        ("blank.csv", b" \n\n", "blank.csv is empty"),
        ("cut.csv", b"price,area,rooms\n1,2,3\n4,5", "cut.csv is truncated"),
        ("cut.csv", b'price,area\n1,"a"\n2,"half of a te', "cut.csv is truncated"),
        ("cut.csv", b'price,area\n1,"a"\n2,"half\n', "cut.csv is truncated"),
        (
            "cut.csv.gz",
            gzip.compress(b"price,area\n1,2\n", mtime=0)[:-6],
            "truncated or damaged gzip",
        ),
        ("cut.parquet", HEADER_ONLY_PARQUET, "truncated or damaged Parquet"),
        ("sheet.csv", b"PK\x03\x04" + b"x" * 40, "zip archive or a spreadsheet"),
        ("photo.csv", b"\xff\xd8\xff\xe0" + bytes(range(32)) * 50, "binary file"),
        ("ragged.csv", b"price,area\n1,2,3\n4,5,6\n7,8\n", "2 of 3 rows do not have the header's"),
        ("other.csv", b"cost,area\n1,2\n", "no column 'price'; its columns are 'cost', 'area'"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    with pytest.raises(InvalidDataError, match=message) as error:
        read_listings([write(tmp_path, content, name)], "Auto", "price")
    assert name in str(error.value)


def test_a_format_that_the_spec_does_not_name_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path, pa.table({"price": [1]}))
    with pytest.raises(InvalidDataError, match=r"set dataset\.format to Auto or Parquet"):
        read_listings([write(tmp_path, path.read_bytes(), "a.parquet")], "CSV", "price")
    with pytest.raises(InvalidDataError, match=r"set dataset\.format to Auto or CSV"):
        read_listings([write(tmp_path, "price\n1\n")], "Parquet", "price")

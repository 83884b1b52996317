"""Dates as people write them sort by time; what is no date is refused with an example."""

import numpy as np
import pytest

from housing_training.data.reading import Cells
from housing_training.data.times import read_times
from housing_training.errors import InvalidDataError


def times(*texts: str | None) -> list[float]:
    distinct = sorted({text for text in texts if text is not None})
    codes = np.array([-1 if text is None else distinct.index(text) for text in texts])
    return read_times("when", Cells(codes, distinct)).tolist()


@pytest.mark.parametrize(
    "texts",
    [
        ("2022-02-24", "2022-02-25", "2022-12-01"),
        ("2022-02-24T09:00:00Z", "2022-02-24T09:00:01Z", "2022-02-24T13:00:00+03:00"),
        ("2022-02-24 09:00", "2022-02-24 21:30", "2022-02-25"),
        ("24.02.2022", "1.3.2022", "02/04/22"),
        ("02/24/2022", "03/01/2022", "04/02/2022"),
        ("24 Şubat 2022", "01 Mart 2022", "3 Ağustos 2022"),
        ("24 february 2022", "Mar 1, 2022", "August 3, 2022"),
        ("2021", "2022", "2023"),
        ("1645693200", "1645693201.5", "1700000000"),
    ],
)
def test_later_is_more(texts: tuple[str, ...]) -> None:
    found = times(*texts)
    assert found == sorted(found)
    assert len(set(found)) == 3


def test_the_day_comes_first_unless_a_row_shows_that_the_month_does() -> None:
    assert times("03/04/2022", "01/05/2022", "13/01/2021")[0] < times("04/04/2022", "1/1/2020")[0]
    first, second, _ = times("03/04/2022", "04/01/2022", "12/31/2022")
    assert first < second


def test_a_few_rows_may_lack_a_time() -> None:
    found = times(*["2022-01-01", "2022-01-02"] * 20, None, "soon")
    assert np.isnan(found[-2:]).all()


def test_a_column_without_dates_is_refused_with_an_example() -> None:
    with pytest.raises(InvalidDataError, match=r"split\.timeColumn: 'when' .* not in 'Kadıköy'"):
        times("2022-01-01", "Kadıköy", "2022-01-03")
    with pytest.raises(InvalidDataError, match=r"not in '31\.02\.2022'"):
        times("31.02.2022", "01.02.2022")


def test_one_time_for_all_rows_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="is the same in every row"):
        times(*["2022-01-01"] * 30)

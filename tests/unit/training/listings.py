"""Made-up listings with the dirt of real ones, for tests that must not depend on one dataset."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import pandas as pd

from housing_core.storage import DataFile
from housing_training.data.reading import Listings

QUARTERS = {
    "Kadıköy": ["Merkez", "Fenerbahçe", "Moda", "Göztepe"],
    "Şişli": ["Merkez", "Bomonti", "Fulya", "Cumhuriyet"],
    "Üsküdar": ["Çengelköy", "Cumhuriyet", "Kuzguncuk", "Merkez"],
    "Beşiktaş": ["Etiler", "Levent", "Bebek", "Merkez"],
    "Fatih": ["Balat", "Merkez", "Cumhuriyet", "Aksaray"],
    "Adalar": ["Maden", "Merkez", "Nizam", "Heybeliada"],
    "Çatalca": ["Merkez", "Cumhuriyet", "Ferhatpaşa", "Kaleiçi"],
    "Bağcılar": ["Merkez", "Cumhuriyet", "Göztepe", "Yıldıztepe"],
}
HEATING = ["Kombi Doğalgaz", "Merkezi (Pay Ölçer)", "Yerden Isıtma", "Soba", ""]


def dirty_rows(rows: int, seed: int = 7) -> list[dict[str, str]]:
    """Listings as a site would export them: Turkish names, units, thousands marks, gaps.

    An unnamed row index, a wholly empty column, a constant one, a date, prices such as
    `3,100,000TL` and `2,950,000TLarrow_downward%3`, areas such as `2.250 m2`, ages that a
    spreadsheet mangled, rooms such as `3+1`, and an emoji.
    """
    chance = random.Random(seed)
    found = []
    for number in range(rows):
        district = chance.choice(list(QUARTERS))
        quarter = chance.choice(QUARTERS[district])
        area = chance.choice([chance.randint(45, 250), chance.randint(1000, 2500)] + [90] * 8)
        rooms = chance.choice(["1+1", "2+1", "3+1", "4+2"])
        age = chance.choice(["0 (Yeni)", "4", "10-May", "15-Nov", "21 Ve Üzeri"])
        heating = chance.choice(HEATING)
        price = (
            area
            * (8_000 + 2_500 * list(QUARTERS).index(district))
            * (1.2 if heating == "Yerden Isıtma" else 1.0)
            * chance.uniform(0.85, 1.2)
        )
        discount = "arrow_downward%3" if chance.random() < 0.05 else ""
        found.append(
            {
                "": str(number),
                "İlçe": district,
                "Mahalle": quarter,
                "Fiyat": f"{round(price, -3):,.0f}TL{discount}",
                " ": "",
                "İlan Tarihi": f"{chance.randint(1, 28)} Şubat 2022",
                "Brüt Alan": f"{area:,} m2".replace(",", "."),
                "Yaş": age,
                "Oda": rooms,
                "Isıtma": heating,
                "Banyo": chance.choice(["1", "1", "2", "3", ""]),
                "Görünüm": chance.choice(["Deniz 🌊", "Şehir", "Orman 🌲", ""]),
                "Tür": "Konut",
            }
        )
    return found


def to_csv(rows: list[dict[str, str]], separator: str = ",") -> str:
    """The rows as CSV text, quoted where needed."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=separator, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write(folder: Path, content: str | bytes, name: str = "listings.csv") -> DataFile:
    """Write a file and return its entry in a listing."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return DataFile(str(path), path.stat().st_size, "1")


def as_listings(columns: dict[str, list[str | None]], numeric: tuple[str, ...] = ()) -> Listings:
    """Listings of these columns, without a file."""
    frame = pd.DataFrame(
        {name: pd.Categorical(pd.Series(cells, dtype=object)) for name, cells in columns.items()}
    )
    return Listings(frame, frozenset(numeric))

"""Listings with other columns, dirt and formats train a model with nothing but URI and target."""

from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from housing_core.bundle import Schema, read_schema, read_summary
from housing_core.registry import Registry
from tests.https_server import https_server
from tests.integration.training.conftest import Train, sample
from tests.integration.training.program import task
from tests.s3_server import S3Server
from tests.unit.training.listings import dirty_rows, to_csv

# Listings that may not be part of the project; the made-up ones have the same dirt.
HOUSEDATA = Path(__file__).parents[4] / "shared" / "data" / "istanbul_housedata_2022.csv"
SOURCES = ["made-up", *(["housedata"] if HOUSEDATA.exists() else [])]


def trained(
    train: Train, registry: Registry, tmp_path: Path, *, uri: Path | str, target: str, name: str
) -> Schema:
    ended = train(task(uri, target, name=name, key=name))
    assert ended.code == 0, ended.output
    assert ended.outcome is not None
    bundle = registry.download_bundle(f"training-test.{name}", "1", tmp_path / "bundle")
    # Chance gives 0.33; 191 rows tell it to 0.09.
    assert read_summary(bundle).scores.macro_f1 > 0.45
    return read_schema(bundle)


@pytest.mark.parametrize("source", SOURCES)
def test_dirty_listings_are_understood(
    train: Train, registry: Registry, tmp_path: Path, source: str
) -> None:
    if source == "housedata":
        data, target = sample(HOUSEDATA, tmp_path / "housedata.csv", 3000), "fiyat"
        areas, dates, ages = ["m2_brut", "m2_net"], ["update_date", "creation_date"], "bina_yasi"
    else:
        data, target = tmp_path / "made-up.csv", "Fiyat"
        data.write_text(to_csv(dirty_rows(2000)), "utf-8")
        areas, dates, ages = ["Brüt Alan"], ["İlan Tarihi"], "Yaş"
    schema = trained(train, registry, tmp_path, uri=data, target=target, name=source)
    rules = schema.rules.numbers
    assert all(rules[name].thousands == "." and "m2" in rules[name].suffixes for name in areas)
    assert all("dates" in schema.ignored[name] for name in dates)
    assert next(c.kind for c in schema.columns if c.name == ages) == "Categorical"
    assert "Unnamed: 0" in schema.ignored
    assert schema.boundaries[0] > 100_000  # thousands marks were read as such
    assert len(schema.crosses) >= 2


def test_a_folder_of_parquet_on_a_claim_is_read(
    train: Train,
    registry: Registry,
    istanbul: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOUSING_CLAIMS_ROOT", str(tmp_path))
    folder = tmp_path / "listings" / "istanbul"
    folder.mkdir(parents=True)
    table = pa.csv.read_csv(istanbul)
    pa.parquet.write_table(table.slice(0, 1500), folder / "a.parquet")
    pa.parquet.write_table(table.slice(1500), folder / "b.parquet")
    uri = "pvc://listings/istanbul"
    schema = trained(train, registry, tmp_path, uri=uri, target="Fiyat", name="parquet")
    kinds = {column.name: column.kind for column in schema.columns}
    assert kinds["Brüt Metrekare"] == "Numeric"
    assert kinds["Mahalle"] == "HighCardinality"


@pytest.mark.parametrize(
    ("encoding", "separator", "name"), [("utf-16", "\t", "tabs"), ("cp1254", ";", "semicolons")]
)
def test_other_dialects_give_the_same_columns(
    *,
    train: Train,
    registry: Registry,
    tmp_path: Path,
    encoding: str,
    separator: str,
    name: str,
) -> None:
    rows = [{**row, "Görünüm": "Deniz"} for row in dirty_rows(800)]
    data = tmp_path / "listings.txt"
    data.write_bytes(to_csv(rows, separator).encode(encoding))
    schema = trained(train, registry, tmp_path, uri=data, target="Fiyat", name=name)
    assert [column.name for column in schema.columns] == [
        *("İlçe", "Mahalle", "Brüt Alan", "Yaş", "Oda", "Isıtma", "Banyo")
    ]


@pytest.mark.parametrize("scheme", ["s3", "https"])
def test_listings_are_fetched_from_where_they_are(
    *,
    train: Train,
    registry: Registry,
    izmir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
) -> None:
    with ExitStack() as servers:
        if scheme == "s3":
            s3 = S3Server(tmp_path)
            s3.start()
            servers.callback(s3.stop)
            folder, uri, environment = (
                s3.folder / "homes",
                "s3://homes/2023-*/*.csv",
                s3.environment,
            )
        else:
            folder = tmp_path / "served"
            https = servers.enter_context(https_server(folder, tmp_path))
            uri, environment = f"{https.url}/2023-05/izmir.csv", https.environment
        (folder / "2023-05").mkdir(parents=True)
        (folder / "2023-05" / "izmir.csv").write_bytes(izmir.read_bytes())
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        trained(train, registry, tmp_path, uri=uri, target="Fiyat", name=scheme)

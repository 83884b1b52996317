"""The samples are applied as they stand, and stock MLflow answers as their pods do."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from housing_core.registry import Registry
from tests.cluster_client import ROOT, Cluster
from tests.cluster_pods import fill_claim
from tests.operator_release import RELEASE, SYSTEM_NAMESPACE
from tests.stock_mlflow import StockMlflow
from tests.story import DATASET_CLAIM, ISTANBUL, TARGET, Story, listings, to_csv, without_price

pytestmark = pytest.mark.timeout(1200)

SAMPLES = ROOT / "manifests" / "samples"
SEED_FIXTURE = ROOT.parent / "shared" / "data" / "fixture_housedata_original_schema.csv"


def applied(cluster: Cluster, namespace: str, sample: str) -> Story:
    text = (SAMPLES / sample).read_text()
    cluster.apply(text, namespace=namespace)
    return Story(cluster, namespace, name=yaml.safe_load(text)["metadata"]["name"])


def in_the_seeds_words(row: dict[str, str], number: int) -> dict[str, str]:
    """A real listing under the seed's column names and with its dirt (shared/data/README.md)."""
    price, area = int(float(row[TARGET])), row.get("Brüt Metrekare", "")
    address = ["Anasayfa", "Satılık Daire", row["Sehir"], row["Ilce"], row["Mahalle"]]
    discount = "arrow_downward%3" if number % 19 == 0 else ""
    return {
        "Unnamed: 0": str(number),
        "district": row["Ilce"].lower(),
        "price": f"{price:,}TL{discount}",
        "address": str(address),
        "AdUpdateDate": f"{number % 28 + 1:02d} Mart 2022",
        "AdCreationDate": f"{number % 28 + 1:02d} Şubat 2022",
        "GrossSquareMeters": f"{int(float(area)):,} m2".replace(",", ".") if area else "",
        "BuildingAge": row.get("Binanın Yaşı", ""),
        "NumberOfRooms": row.get("Oda Sayısı", ""),
        "FloorLocation": row.get("Bulunduğu Kat", ""),
        "HeatingType": row.get("Isıtma Tipi", ""),
        "NumberOfBathrooms": row.get("Banyo Sayısı", ""),
        "RentalIncome": "",
    }


def test_the_full_sample_answers_as_stock_mlflow_does(
    installed_operator: Cluster, namespace: str, tmp_path: Path
) -> None:
    cluster = installed_operator
    fill_claim(cluster, namespace, DATASET_CLAIM, {"istanbul/istanbul.csv": ISTANBUL})
    story = applied(cluster, namespace, "istanbul.yaml")
    status = story.wait_for_production("1")
    assert status["production"]["readyReplicas"] >= 1
    assert [cross["name"] for cross in status["inputs"]["crosses"]] == [
        "district_heating",
        "district_floor",
    ]
    rows = without_price(listings(ISTANBUL)[::500])
    (answer,) = story.send(rows)
    with cluster.port_forward(f"service/{RELEASE}-mlflow", 5000, SYSTEM_NAMESPACE) as url:
        model = f"{namespace}.{story.name}"
        stock = StockMlflow(Registry(url), model, "1", tmp_path).predict(model, rows)
    assert stock.ours is False
    assert [values[0] for values in stock.values] == [p["class"] for p in answer["predictions"]]
    for values, prediction in zip(stock.values, answer["predictions"], strict=True):
        names = [name.removeprefix("probability_") for name in stock.columns[1:]]
        given = dict(zip(names, values[1:], strict=True))
        assert given == pytest.approx(prediction["probabilities"], abs=1e-5)


def test_the_seeds_own_columns_reach_production(
    installed_operator: Cluster, namespace: str
) -> None:
    rows = [in_the_seeds_words(row, n) for n, row in enumerate(listings(ISTANBUL)[::9])]
    files: dict[str, Path | str | bytes] = {"housedata/made-from-istanbul.csv": to_csv(rows)}
    if SEED_FIXTURE.exists():
        files["housedata/fixture.csv"] = SEED_FIXTURE
    fill_claim(installed_operator, namespace, DATASET_CLAIM, files)
    story = applied(installed_operator, namespace, "seed-schema.yaml")
    status = story.wait_for_production("1")
    kinds = {column["name"]: column["kind"] for column in status["inputs"]["columns"]}
    assert kinds["address"] == "HighCardinality"
    assert kinds["GrossSquareMeters"] == "Numeric"
    assert kinds["AdCreationDate"] == "Ignored"
    assert status["inputs"]["boundaries"][0]["price"] > 100_000
    listing = {k: v for k, v in rows[0].items() if k != "price" and v}
    (prediction,) = story.predict(listing)["predictions"]
    assert prediction["class"] in ("Low", "Medium", "High")

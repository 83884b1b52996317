"""Speed and memory: ours over a prediction log in Parquet, and Evidently's preset over the same window.

Rows are drawn with replacement from Istanbul's listings: 19 columns, and the price as the 20th
feature. The log is as compaction leaves it: one file an hour, each raw value as JSON text. Evidently
gets the favour of plain, typed columns, in memory before the clock starts.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from housing_core import bundle, storage
from housing_core import prediction_log as log
from housing_monitoring.log.compaction import compact
from tests.bench.serving.prepare import environment
from tests.listings import CITIES, CLASSES, DATA, TARGET, Listings, reference_of, rules_of

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
MODEL = "bench.istanbul"
HOURS = 24
PEER_SECONDS = 600
METHODS = (None, "psi")
"""Evidently's own choice of tests, and PSI for every column."""


def prepare(folder: Path, rows: int, *, plain: bool) -> Path:
    """Write a window of the last day, and what it is compared with; returns its folder.

    Args:
        folder: where; a window that is there is not made again while a pass, which judges two days,
            sees the whole of it.
        rows: of the window.
        plain: write typed columns for Evidently too.

    """
    place = folder / f"{rows}"
    done = place / "done"
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    if done.exists() and end - datetime.fromisoformat(done.read_text()) < timedelta(days=1):
        return place
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    frame = pd.read_csv(DATA / CITIES["istanbul"], index_col=0).drop_duplicates()
    frame = frame.sample(frac=1, random_state=42).reset_index(drop=True)
    bounds = frame[TARGET].quantile([0.4, 0.8]).to_numpy()
    classes = np.asarray(CLASSES)[np.searchsorted(bounds, frame[TARGET].to_numpy(), side="right")]
    cut = int(len(frame) * 0.8)
    training = Listings(frame.iloc[:cut], classes[:cut])
    holdout = Listings(frame.iloc[cut:], classes[cut:])
    bundle.write_part(place, bundle.REFERENCE_FILE, reference_of(training, holdout))
    (place / "rules.json").write_text(rules_of(training).to_json())
    random = np.random.default_rng(7)
    texts = _texts(holdout.frame)
    for hour in range(HOURS):
        size = rows // HOURS + (hour < rows % HOURS)
        chosen = random.integers(0, len(holdout.frame), size)
        begin = end - timedelta(hours=HOURS - hour)
        table = _table(texts, holdout.classes, chosen, begin, random)
        _write_hour(place / "log" / log.partition("predictions", MODEL, begin), table)
    if plain:
        chosen = random.integers(0, len(holdout.frame), rows)
        _typed(training.frame).to_parquet(place / "reference.parquet")
        _typed(holdout.frame).iloc[chosen].reset_index(drop=True).to_parquet(
            place / "window.parquet"
        )
    done.write_text(end.isoformat())
    return place


def _write_hour(folder: Path, table: pa.Table) -> None:
    """As compaction leaves it, which needs two files to make one of."""
    folder.mkdir(parents=True, exist_ok=True)
    half = len(table) // 2
    written = [folder / f"bench-00000{number}.parquet" for number in (1, 2)]
    for path, rows in zip(written, (table[:half], table[half:]), strict=True):
        pq.write_table(rows, path, **log.parquet_options(table.schema))
    location = storage.locate(str(folder))
    compact(location, storage.list_folder(location), "predictions", datetime.now(UTC))
    for path in written:
        path.unlink()


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    numeric = frame.select_dtypes("number").columns
    return frame.astype(dict.fromkeys(numeric, "float64"))


def _texts(frame: pd.DataFrame) -> pa.Table:
    """Each value as JSON text, as the log keeps it."""
    columns = {
        str(name): [None if pd.isna(v) else json.dumps(v, ensure_ascii=False) for v in column]
        for name, column in frame.astype(object).items()
    }
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _table(
    texts: pa.Table,
    classes: np.ndarray,
    chosen: np.ndarray,
    begin: datetime,
    random: np.random.Generator,
) -> pa.Table:
    size = len(chosen)
    taken = texts.take(pa.array(chosen))
    words = random.integers(0, 2**63, (size, 2))
    seconds = np.sort(random.uniform(0, 3_600, size)) * 1e6
    times = (np.int64(begin.timestamp() * 1e6) + seconds.astype(np.int64)).astype("datetime64[us]")
    features = pa.StructArray.from_arrays(
        [column.combine_chunks() for column in taken.columns], names=taken.column_names
    )
    columns = {
        log.REQUEST_ID: [uuid.UUID(int=int(a) << 64 | int(b)).hex for a, b in words],
        log.ROW: np.zeros(size, np.int32),
        log.TIME: pa.array(times, pa.timestamp("us", tz="UTC")),
        log.MODEL_VERSION: ["1"] * size,
        log.TRACK: ["production"] * size,
        log.FEATURES: features,
        log.PREDICTED_CLASS: classes[chosen].tolist(),
        log.PROBABILITIES: pa.FixedSizeListArray.from_arrays(
            pa.array(np.tile(np.array([0.8, 0.1, 0.1], np.float32), size)), 3
        ).cast(pa.list_(pa.float32())),
    }
    return pa.table(columns, schema=log.predictions_schema(taken.column_names))


def ours(folder: Path) -> dict[str, Any]:
    return _pass([str(image_python()), "-m", "tests.bench.monitoring.our_pass", str(folder)])


def image_python() -> Path:
    """The Python of an environment with what the program's image has: no pandas, for one."""
    return environment("monitoring", ROOT / "monitoring" / "requirements.txt", ROOT)


def theirs(folder: Path, method: str | None) -> dict[str, Any]:
    python = environment("evidently", HERE / "evidently.txt")
    files = [str(folder / f"{name}.parquet") for name in ("reference", "window")]
    script = str(HERE / "evidently_pass.py")
    return _pass([str(python), script, *files, *([method] if method else [])])


def _pass(command: Sequence[str]) -> dict[str, Any]:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PEER_SECONDS, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(command[0].rpartition("/")[2], command[-1], found, flush=True)
    return found


def speed(
    folder: Path, rows: int = 1_000_000, passes: int = 3, many: int = 10_000_000
) -> dict[str, Any]:
    """Interleaved passes on one window, and one of ours over many rows."""
    place = prepare(folder, rows, plain=True)
    found: dict[str, Any] = {"rows": rows, "many rows": many}
    for _ in range(passes):
        found.setdefault("ours", []).append(ours(place))
        for method in METHODS:
            found.setdefault(f"evidently {method or 'default'}", []).append(theirs(place, method))
    found["many"] = ours(prepare(folder, many, plain=False))
    return found

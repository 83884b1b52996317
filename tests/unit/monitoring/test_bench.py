"""The benchmark of monitoring, in tiny: it counts, goes on where it stopped, and writes its page."""

from pathlib import Path

import pytest

from tests.bench.monitoring import report, windows


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> windows.Kept:
    monkeypatch.setattr(windows, "PARTS", 1)
    return windows.Kept(tmp_path / "kept.json")


def test_counts_are_kept_and_not_made_again(kept: windows.Kept) -> None:
    found = windows.false_alarms(kept, (200,), 2)
    assert set(found) == {f"200 rows, {kind}" for kind in windows.KINDS}
    assert found["200 rows, independent rows"] == {"windows": 2, "ours": 0, "plain": 2}
    name, counts = next(iter(kept.cells.items()))
    again = windows.Kept(kept.path)
    assert again.cells == kept.cells
    assert again.count(name, lambda: pytest.fail("made again")) == counts


def test_every_change_is_made_and_seen_in_a_large_window(kept: windows.Kept) -> None:
    found = windows.power(kept, (2_000,), 1)
    assert len(found) == 5
    assert {count for rows in found.values() for count in rows["2000 rows"].values()} == {1}
    page = report.page({"power": {"made": "now", "result": found}})
    assert f"| {windows.IZMIR} | 1 |" in page


def test_the_page_names_ratios_and_goals() -> None:
    one = {"seconds": 1.0, "cpu": 1.5, "imports": 0.5, "bare": 102_400, "peak": 204_800, "rows": 10}
    slow = {**one, "seconds": 30.0, "cpu": 33.0, "peak": 1_024_000}
    speed = {
        "rows": 10,
        "ours": [one, one],
        "evidently default": [slow],
        "evidently psi": [slow],
        "many": one,
    }
    run = {"rows": 10, "runs": [{"wall": 4.0, "cpu": 2.0}], "help": {"wall": 0.2}}
    done = {name: {"made": "now", "result": r} for name, r in (("speed", speed), ("run", run))}
    page = report.page(done)
    assert "default: 30.0× faster, 22.0× by processor time, 20% of its peak memory" in page
    assert "4.0 (4.0 – 4.0) s, of which the processor worked 2.0" in page

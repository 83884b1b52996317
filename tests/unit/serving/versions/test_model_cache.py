"""The folder of good copies, as several pods use it."""

import os
import time
from pathlib import Path

import pytest

from housing_serving.versions.model_cache import (
    ABANDONED_SECONDS,
    KEPT_VERSIONS,
    MARKER,
    ModelCache,
)


def _keep(cache: ModelCache, version: str, content: str = "graph") -> None:
    with cache.incoming() as folder:
        bundle = folder / "bundle"
        bundle.mkdir()
        (bundle / "model.onnx").write_text(content)
        cache.keep(bundle, version, golden_rows=5)


def test_a_kept_copy_is_found_by_another_pod(tmp_path: Path) -> None:
    _keep(ModelCache(tmp_path, "ns.model"), "3")
    other = ModelCache(tmp_path, "ns.model")
    assert other.versions() == ["3"]
    assert (other.copy_of("3") / "model.onnx").read_text() == "graph"
    assert ModelCache(tmp_path, "ns.neighbour").versions() == []


def test_a_folder_without_the_marker_is_no_copy(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path, "ns.model")
    cache.copy_of("3").mkdir(parents=True)
    assert cache.versions() == []
    _keep(cache, "3")
    assert cache.versions() == ["3"]


def test_a_new_copy_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path, "ns.model")
    _keep(cache, "3", "broken")
    _keep(cache, "3", "mended")
    assert (cache.copy_of("3") / "model.onnx").read_text() == "mended"
    assert [entry.name for entry in (tmp_path / "ns.model").iterdir()] == ["3"]


def test_what_is_not_kept_leaves_nothing_behind(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path, "ns.model")
    with cache.incoming() as folder:
        (folder / "bundle").mkdir()
    assert list((tmp_path / "ns.model").iterdir()) == []


def test_a_cache_that_cannot_be_written_still_gives_room_to_download(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    cache = ModelCache(tmp_path / "cache", "ns.model")
    assert cache.versions() == []
    with cache.incoming() as folder:
        (folder / "bundle").mkdir()
        with pytest.raises(OSError, match="cache"):
            cache.keep(folder / "bundle", "3", golden_rows=5)
    assert not folder.exists()


def test_copies_are_bounded_and_the_protected_ones_stay(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path, "ns.model")
    for number in range(1, 7):
        _keep(cache, str(number))
    cache.prune({"1"})
    assert len(cache.versions()) == KEPT_VERSIONS
    assert sorted(cache.versions()) == ["1", "5", "6"]


def test_only_what_killed_pods_left_is_cleared(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path, "ns.model")
    _keep(cache, "3")
    left = tmp_path / "ns.model" / ".incoming-left"
    left.mkdir()
    long_ago = time.time() - ABANDONED_SECONDS - 60
    os.utime(left, (long_ago, long_ago))
    with cache.incoming() as under_way:
        cache.prune({"3"})
        assert under_way.exists()
    assert not left.exists()
    assert (cache.copy_of("3") / MARKER).exists()

"""The policy file as it comes, changes, breaks and goes."""

import logging
from pathlib import Path

import pytest

from housing_core.tasks import ServingPolicy
from housing_serving.versions.policy import PolicyFile


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    policy = PolicyFile(path)
    assert policy.read() == ServingPolicy()
    path.write_text('{"confirmed_version": "3"}')
    assert policy.read().confirmed_version == "3"
    path.write_text('{"confirmed_version": "4", "rejected_versions": ["3"]}')
    assert policy.read() == ServingPolicy(confirmed_version="4", rejected_versions=["3"])


def test_a_mounted_config_map_is_followed_when_its_link_moves(tmp_path: Path) -> None:
    for name, version in (("one", "3"), ("two", "4")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "policy.json").write_text(f'{{"confirmed_version": "{version}"}}')
    link = tmp_path / "..data"
    link.symlink_to("one")
    policy = PolicyFile(link / "policy.json")
    assert policy.read().confirmed_version == "3"
    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").replace(link)
    assert policy.read().confirmed_version == "4"


@pytest.mark.parametrize("broken", [None, "", "{", '{"rejected_versions": 3}', "[]"])
def test_a_missing_or_broken_file_confirms_nothing_and_unrejects_nothing(
    tmp_path: Path, broken: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "policy.json"
    path.write_text('{"confirmed_version": "3", "rejected_versions": ["2"]}')
    policy = PolicyFile(path)
    policy.read()
    if broken is None:
        path.unlink()
    else:
        path.write_text(broken)
    with caplog.at_level(logging.WARNING):
        assert policy.read() == ServingPolicy(rejected_versions=["2"])
        assert policy.read() == ServingPolicy(rejected_versions=["2"])
    assert caplog.text.count("cannot be read") == 1  # said once, not at every probe

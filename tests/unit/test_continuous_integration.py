"""What CI runs is what README tells people to run."""

import re

import yaml

from tests.cluster_client import ROOT


def test_pull_requests_go_through_every_stage_of_make_test() -> None:
    (stages,) = re.findall(r"^STAGES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    assert "pull_request" in workflow[True]  # YAML 1.1 reads `on` so
    job = workflow["jobs"]["stages"]
    entries = job["strategy"]["matrix"]["include"]
    run = [stage for entry in entries for stage in entry["stages"].split()]
    assert sorted(run) == sorted(stages.split())
    assert job["steps"][-1]["run"] == "make ${{ matrix.stages }}"


def test_ci_run_is_the_command_of_the_readme() -> None:
    command = (ROOT / ".ci/run").read_text().splitlines()[-1]
    assert f"`{command}` checks everything" in (ROOT / "README.md").read_text()

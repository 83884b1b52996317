"""Every command of the pages, as a person would type it who has just run `make demo`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cluster_client import ROOT, Cluster
from tests.documentation.commands import NAMESPACE, PAGES, Page

pytestmark = pytest.mark.timeout(1800)

SHARED = (".venv", "build")
"""What `make setup` and `make cluster-up` made."""

SHELL = """
set -euo pipefail
curl() { command curl --fail-with-body --no-progress-meter "$@"; }
end_port_forward() { kill $!; wait $! || true; }
kubectl() {
  case " $* " in
    *" port-forward "*)
      local port=${!#}; port=${port%%:*}
      (trap 'kill $!; wait $!; exit' TERM; while :; do command kubectl "$@" >/dev/null & wait $!; done) &
      for _ in $(seq 60); do (: </dev/tcp/localhost/$port) 2>/dev/null && return; sleep 0.5; done
      return 1 ;;
    *) command kubectl "$@" ;;
  esac
}
set -v
"""
"""A port-forward goes on beside what follows, as in a second terminal, and is begun again when kubectl
loses the connection; an error of HTTP is one."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, where what the commands write is not part of it."""
    made = tmp_path_factory.mktemp("documentation") / "project"
    shutil.copytree(
        ROOT, made, ignore=shutil.ignore_patterns(".*_cache", ".git", *SHARED), symlinks=True
    )
    for name in SHARED:
        (made / name).symlink_to(ROOT / name)
    return made


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_the_commands_of_a_page_do_what_they_say(
    page: Page, folder: Path, cluster: Cluster
) -> None:
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(cluster.kubectl("config", "view", "--raw", "--minify", "--flatten"))
    environment = {
        **cluster.environment,
        "KUBECONFIG": str(kubeconfig),
        "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{cluster.environment['PATH']}",
    }
    subprocess.run(
        ["kubectl", "config", "set-context", "--current", f"--namespace={NAMESPACE}"],
        env=environment,
        check=True,
    )
    script = folder / "commands.sh"
    script.write_text(SHELL + page.script())
    shell = subprocess.Popen(
        ["bash", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert shell.wait() == 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGTERM)  # port-forwards

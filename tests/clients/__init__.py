"""Other projects' clients of the Open Inference Protocol, each in a virtual environment of its own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
INSTALL_SECONDS = 400
RUN_SECONDS = 400
"""They import for five to ten seconds of processor time, MLServer's three times over."""


def run_client(name: str, url: str, model: str) -> Any:
    """Run `<name>_client.py` here against a server, with stock packages and nothing of ours.

    Raises AssertionError with what the client said when it fails.
    """
    done = subprocess.run(
        [_python(name), FOLDER / f"{name}_client.py", url, model],
        cwd="/",
        env={"PATH": os.environ["PATH"], "HOME": tempfile.gettempdir()},
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _python(name: str) -> Path:
    """The environment of a client, made in the cache when its lock file is new."""
    lock = FOLDER / f"{name}.txt"
    digest = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "housing-operator"
    made = cache / f"{name}-client-{digest}"
    if not made.exists():
        cache.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=f"{name}-client-", dir=cache))
        try:
            uv = str(Path(sys.executable).with_name("uv"))
            venv = [uv, "venv", "--quiet", "--relocatable", "--clear", "--python", sys.executable]
            subprocess.run([*venv, making], check=True)
            install = [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", making, lock]
            subprocess.run(install, check=True, timeout=INSTALL_SECONDS)
            making.rename(made)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
    return made / "bin" / "python"

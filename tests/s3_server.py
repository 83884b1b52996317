"""A real S3-compatible server, versitygw, as a process of its own over a folder."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

from tests.mlflow_server import free_port

VERSION = "1.8.0"
ROOT = Path(__file__).parent.parent
ACCESS_KEY, SECRET_KEY, REGION = "tests", "tests-secret", "us-east-1"
START_SECONDS = 30
BUILD_SECONDS = 540
STOP_SECONDS = 15


def program() -> Path:
    """The server, built from the Go module proxy when it is not in the cache yet (a minute)."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "housing-operator"
    folder = cache / f"versitygw-{VERSION}"
    if not (folder / "versitygw").exists():
        script = (
            f". {ROOT / 'tests/cluster/common.sh'}; ensure_go; "
            f"GOBIN={folder} go install github.com/versity/versitygw/cmd/versitygw@v{VERSION}"
        )
        subprocess.run(["bash", "-euc", script], check=True, timeout=BUILD_SECONDS)
    return folder / "versitygw"


class S3Server:
    """versitygw on the loopback interface; a folder in `folder` is a bucket, a file in it an object."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "buckets"
        self.log = folder / "server.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The usual AWS variables for a client of this server."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def start(self) -> None:
        """Start the server and wait until it answers. Does nothing while it runs.

        Raises RuntimeError, with the end of the server's log, if it does not answer within 30 s.
        """
        if self._process is not None:
            return
        for name in ("buckets", "metadata"):
            (self.folder.parent / name).mkdir(parents=True, exist_ok=True)
        # Objects' metadata beside the files: not every file system has extended attributes.
        command = [
            *(str(program()), "--port", f"127.0.0.1:{self.port}", "--region", REGION),
            *("posix", "--sidecar", str(self.folder.parent / "metadata"), str(self.folder)),
        ]
        keys = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **keys},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait_until_it_answers(self._process)

    def stop(self) -> None:
        """End the server. Does nothing when it is down."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            except OSError:
                time.sleep(0.1)
        self.stop()
        tail = self.log.read_text(errors="replace")[-4000:]
        raise RuntimeError(f"the S3 server did not answer on {self.url}; its log ends:\n{tail}")

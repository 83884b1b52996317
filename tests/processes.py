"""Ending what a test has started, with all that it started itself."""

from __future__ import annotations

import os
import signal
import subprocess


def end_group(process: subprocess.Popen[bytes], seconds: float) -> None:
    """End the process group of a process that was begun with a session of its own.

    Args:
        process: its leader.
        seconds: how long it may take after SIGTERM, before SIGKILL.

    """
    for end in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, end)
            process.wait(seconds)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue

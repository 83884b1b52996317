"""One pass of ours over a prediction log, in a process of its own: prints seconds and kB as JSON.

    python -m tests.bench.monitoring.our_pass FOLDER

FOLDER holds `log`, and the profile in `reference.json` and `rules.json`.
"""

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path


def peak() -> int:
    # Not ru_maxrss: that begins at what the process which started this one had.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def main() -> None:
    begun = time.perf_counter()
    from housing_core.api.spec import Dataset, Target, Thresholds
    from housing_core.bundle import read_reference
    from housing_core.cleaning import CleaningRules
    from housing_core.tasks import MonitoringTask
    from housing_monitoring.log.window import read_window
    from housing_monitoring.measures.performance import Labelled
    from housing_monitoring.profile import Profile
    from housing_monitoring.report import judge

    imports = time.perf_counter() - begun
    bare, folder = peak(), Path(sys.argv[1])
    rules = CleaningRules.from_json((folder / "rules.json").read_text())
    profile = Profile(rules, read_reference(folder))
    now = datetime.now(UTC)
    task = MonitoringTask(
        namespace="bench",
        name="istanbul",
        production_version="1",
        log_uri=str(folder / "log"),
        dataset=Dataset(uri="/data", target=Target(column="Fiyat")),
        window_seconds=2 * 86_400,
        min_samples=200,
        evaluation_window_seconds=30 * 86_400,
        min_labels=100,
        thresholds=Thresholds(),
    )
    begun, worked = time.perf_counter(), time.process_time()
    start = now - timedelta(seconds=task.window_seconds)
    window = read_window(task.log_uri, task.model_name, "1", profile, start=start, now=now)
    read = time.perf_counter() - begun
    report = judge(task, profile, window, Labelled.none(), now)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - worked
    found = {"imports": imports, "read": read, "seconds": seconds, "cpu": cpu, "bare": bare}
    print(json.dumps({**found, "peak": peak(), "rows": report.samples, "verdict": report.verdict}))


if __name__ == "__main__":
    main()

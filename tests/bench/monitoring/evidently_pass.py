"""One pass of Evidently's drift preset, in its own environment: prints seconds and kB as JSON.

python evidently_pass.py REFERENCE.parquet WINDOW.parquet [METHOD]
"""

import json
import sys
import time
from pathlib import Path


def peak() -> int:
    # Not ru_maxrss: that begins at what the process which started this one had.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


begun = time.perf_counter()
import pandas as pd  # noqa: E402 - what is measured
from evidently import DataDefinition, Dataset, Report  # noqa: E402 - what is measured
from evidently.presets import DataDriftPreset  # noqa: E402 - what is measured

imports = time.perf_counter() - begun
bare = peak()
reference, window = (pd.read_parquet(path) for path in sys.argv[1:3])
numbers = [name for name in window if window[name].dtype.kind == "f"]
definition = DataDefinition(
    numerical_columns=numbers, categorical_columns=[n for n in window if n not in numbers]
)
loaded = peak()
begun, worked = time.perf_counter(), time.process_time()
now = Dataset.from_pandas(window, data_definition=definition)
before = Dataset.from_pandas(reference, data_definition=definition)
preset = DataDriftPreset(**({"method": sys.argv[3]} if len(sys.argv) > 3 else {}))
result = Report([preset]).run(now, before).dict()
seconds, cpu = time.perf_counter() - begun, time.process_time() - worked
found = {"imports": imports, "seconds": seconds, "cpu": cpu, "bare": bare, "loaded": loaded}
print(json.dumps({**found, "peak": peak(), "metrics": len(result["metrics"])}))

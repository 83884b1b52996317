"""The training program: one Job that turns listings into a registered model version."""

import os

# Boosting meets at thousands of barriers. Threads that spin there burn the CPU limit of the
# container, and on a busy node they keep away the thread that all wait for.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Of MLflow, when it is imported: no telemetry, no log lines that are no JSON.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

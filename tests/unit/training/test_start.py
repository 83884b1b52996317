"""What a training need not wait for before it reads its listings."""

import subprocess
import sys


def test_a_training_begins_without_mlflows_library() -> None:
    code = "import sys, housing_training.job; print('mlflow' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"

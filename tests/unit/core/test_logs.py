import json
import logging

import pytest

from housing_core import logs


@pytest.fixture(autouse=True)
def former_logging():
    """Put the handlers of pytest back, which `configure` takes away."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_every_line_is_json_with_what_was_added(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    logging.getLogger("a.b").warning("moved %d rows\nof %s", 3, "Şile", extra={"rows": 3})
    logging.getLogger("a.b").debug("not shown")
    (line,) = lines(capsys)
    assert (line["level"], line["logger"]) == ("warning", "a.b")
    assert line["message"] == "moved 3 rows\nof Şile"
    assert line["rows"] == 3
    assert str(line["time"]).endswith("+00:00")


def test_an_exception_is_part_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    try:
        raise ValueError("odd")
    except ValueError:
        logging.getLogger("a").exception("failed", extra={"what": {1, 2}})
    (line,) = lines(capsys)
    assert "ValueError: odd" in str(line["exception"])
    assert line["what"] == "{1, 2}"

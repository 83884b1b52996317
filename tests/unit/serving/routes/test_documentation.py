"""The requests that docs/how-to/predict.md shows are answered; only the columns are another model's."""

import re
import shlex
from pathlib import Path

import pytest

from housing_core.tasks import ServingTask
from housing_serving.app import create_app
from housing_serving.service import Service
from housing_serving.versions.readiness import Serving
from tests.unit.serving.api_client import ApiClient

PAGE = Path(__file__).parents[4] / "docs/how-to/predict.md"
COLUMNS = {"Brüt Metrekare": "area", "Oda Sayısı": "rooms", "Ilce": "ilçe"}
BASE = "localhost:8080"


def _commands() -> list[list[str]]:
    """The curl commands of the page, as the shell would part them."""
    text = PAGE.read_text("utf-8")
    found = re.findall(r"^    curl .*(?:\n      .*)*", text, re.MULTILINE)
    return [shlex.split(command.replace("\\\n", " ")) for command in found]


@pytest.fixture
def api(task: ServingTask, serving: Serving, tmp_path: Path) -> ApiClient:
    (tmp_path / "token").write_text("$TOKEN")
    changes = {"name": "istanbul", "namespace": "default"}
    token = str(tmp_path / "token")
    service = Service.for_task(task.model_copy(update={**changes, "feedback_token_file": token}))
    service.loader._serving = serving
    return ApiClient(create_app(service))


def test_every_curl_command_of_the_page_is_answered(api: ApiClient) -> None:
    commands = _commands()
    paths = []
    for words in commands:
        (url,) = (word for word in words if word.startswith(BASE))
        headers = dict(words[i + 1].split(": ", 1) for i, word in enumerate(words) if word == "-H")
        body = words[words.index("-d") + 1] if "-d" in words else "Brüt Metrekare\n120\n"
        for shown, name in COLUMNS.items():
            body = body.replace(shown, name)
        path = url.removeprefix(BASE)
        answer = api.post(path, content=body.encode(), headers=headers)
        assert answer.status_code in {200, 202}, (path, answer.text)
        paths.append(path)
    assert paths == [
        *("/predict", "/predict/batch", "/explain"),
        *("/v2/models/default.istanbul/infer", "/feedback"),
    ]

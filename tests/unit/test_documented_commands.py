"""No page tells a person to type what `make test-documentation` does not run."""

from __future__ import annotations

import pytest

from tests.cluster_client import ROOT
from tests.documentation.commands import PAGES, Page, commands_in


def test_every_page_with_commands_is_run() -> None:
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("docs/how-to/*.md")]
    with_commands = {
        str(page.relative_to(ROOT)) for page in pages if commands_in(page.read_text("utf-8"))
    }
    assert with_commands == {page.path for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_what_is_said_of_a_pages_commands_is_about_commands_that_are_there(page: Page) -> None:
    commands = commands_in(page.text)
    for begin in (*page.elsewhere, *page.before):
        assert any(command.startswith(begin) for command in commands), begin
    text = (ROOT / page.path).read_text("utf-8")
    for placeholder in page.given:
        assert placeholder in text
    assert not [command for command in page.commands() if "<" in command.replace("<<", "")]


def test_lines_that_belong_together_are_one_command() -> None:
    text = """
```
kubectl get x \\
  -o yaml
$ curl -d '{
  "a": 1}' localhost
the answer
```

    apiVersion: v1

    make demo   # shows it
"""
    assert commands_in(text) == [
        "kubectl get x \\\n  -o yaml",
        """curl -d '{\n  "a": 1}' localhost""",
        "make demo   # shows it",
    ]

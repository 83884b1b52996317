"""The fallback chain as a decision."""

import pytest

from housing_serving.versions.fallback import Link, chain, copies_to_remove, retry_delay


@pytest.mark.parametrize(
    ("pinned", "staging", "copies", "rejected", "expected"),
    [
        pytest.param("3", None, [], [], ["3 Production"], id="the pinned version alone"),
        pytest.param(
            "3", "4", ["2", "1"], [], ["3 Production", "4 Staging", "2 LocalCopy", "1 LocalCopy"],
            id="pinned, then staging, then local copies",
        ),
        pytest.param(
            "3", None, ["2", "10", "9"], [],
            ["3 Production", "10 LocalCopy", "9 LocalCopy", "2 LocalCopy"],
            id="newest copy first, by number and not by text",
        ),
        pytest.param(
            "3", "3", ["3"], [], ["3 Production"], id="a version is tried once, at its best level"
        ),
        pytest.param(
            "3", "2", ["2", "3"], [], ["3 Production", "2 Staging"], id="copies of better links"
        ),
        pytest.param(
            "3", "4", ["4", "2"], ["3", "4"], ["2 LocalCopy"],
            id="a rejected version is skipped at every level",
        ),
        pytest.param("3", "4", ["2"], ["2", "3", "4"], [], id="all rejected: nothing to try"),
    ],
)  # fmt: skip
def test_the_chain_goes_from_best_to_last(
    pinned: str, staging: str | None, copies: list[str], rejected: list[str], expected: list[str]
) -> None:
    links = chain(pinned, staging, copies, rejected)
    assert [f"{link.version} {link.level}" for link in links] == expected
    assert all(isinstance(link, Link) for link in links)


@pytest.mark.parametrize(
    ("copies", "protected", "expected"),
    [
        (["1", "2", "3"], [], []),
        (["1", "2", "3", "4", "5"], [], ["1", "2"]),
        (["8", "9", "10", "11"], [], ["8"]),
        (["1", "2", "3", "4"], ["1"], ["2"]),
        (["1", "2", "3", "4"], ["1", "2", "3", "4"], []),
    ],
)
def test_the_oldest_unprotected_copies_go_first(
    copies: list[str], protected: list[str], expected: list[str]
) -> None:
    assert copies_to_remove(copies, protected, limit=3) == expected


def test_retries_slow_down_to_half_a_minute_and_are_jittered() -> None:
    assert [retry_delay(n, 1.0) for n in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]
    assert [retry_delay(n, 0.0) for n in (1, 7)] == [0.5, 15]
    assert retry_delay(10_000, 0.5) == 22.5


def test_a_longer_limit_lets_retries_slow_down_further() -> None:
    assert [retry_delay(n, 1.0, 600) for n in (1, 6, 10, 11, 12)] == [1, 32, 512, 600, 600]

"""The fallback chain of seed 4.8 as a decision; no file and no server is touched here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import get_args

from housing_core.tasks import FallbackLevel

LEVELS: tuple[FallbackLevel, ...] = get_args(FallbackLevel)
"""Best first; the position is the value of the metric `housing_fallback_level`."""

LONGEST_RETRY_SECONDS = 30.0
LONGEST_DOWNLOAD_RETRY_SECONDS = 600.0
"""Of a bundle that was of no use: it hardly ever changes, and every pod would load MLflow with it."""


@dataclass(frozen=True, slots=True)
class Link:
    """A version to try, and the level at which it would be served."""

    version: str
    level: FallbackLevel


def chain(
    pinned: str,
    staging: str | None,
    copies: Collection[str],
    rejected: Collection[str],
    baked: Collection[str] = (),
) -> list[Link]:
    """The versions to try, best first, each once and at its best level.

    Args:
        pinned: the version that this pod is to serve.
        staging: the version behind MLflow's alias; None when there is none or it is not known.
        copies: versions that passed their golden rows before: on disk, or in memory now.
        rejected: versions that are never served.
        baked: versions that came with the image; they have not passed their golden rows yet.

    """
    links = [
        Link(pinned, "Production"),
        *([Link(staging, "Staging")] if staging is not None else []),
        *(
            Link(version, "LocalCopy")
            for local in (copies, baked)
            for version in sorted(local, key=age_order, reverse=True)
        ),
    ]
    best: dict[str, Link] = {}
    for link in links:
        if link.version not in rejected:
            best.setdefault(link.version, link)
    return list(best.values())


def copies_to_remove(copies: Collection[str], protected: Collection[str], limit: int) -> list[str]:
    """The local copies that are over the limit, oldest first; protected ones stay whatever it is."""
    newest_first = sorted(copies, key=lambda v: (v in protected, *age_order(v)), reverse=True)
    surplus = [version for version in newest_first[limit:] if version not in protected]
    return surplus[::-1]


def age_order(version: str) -> tuple[int, str]:
    """Sorts version numbers, which are digits without leading zeros, by their value."""
    return len(version), version


def retry_delay(
    failures: int, chance: float, longest_seconds: float = LONGEST_RETRY_SECONDS
) -> float:
    """Seconds until something is tried again: doubling from 1 to the longest, jittered by half.

    Args:
        failures: attempts that have failed in a row, from 1.
        chance: a random number in [0, 1), so that the pods of a model do not all come at once.
        longest_seconds: at most 1024.

    """
    seconds = min(longest_seconds, 2.0 ** min(failures - 1, 10))
    return seconds * (0.5 + chance / 2)

"""What has to be written so that the owned objects are as they should be; nothing when they are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from housing_operator.resources.ownership import digest_of, is_owned_by

Key = tuple[str, str]
"""Kind and name; the namespace is always the model's."""

NEVER_DELETED = frozenset({"PersistentVolumeClaim", "ServiceAccount"})
"""Kinds that stay until their model goes: data, and what pods that still end run under."""

_SUFFIXES = {
    "": Decimal(1),
    **{suffix: Decimal(1000) ** -power for power, suffix in enumerate("mun", 1)},
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", 1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", 1)},
}
_OF_QUANTITIES = ("requests", "limits", "averageValue")
_QUANTITY = re.compile(r"([+-]?[0-9.]+)([A-Za-z]*)")


@dataclass(frozen=True, slots=True)
class Changes:
    """What one pass writes, in this order.

    Attributes:
        apply: objects that are absent or not as they should be.
        delete: live objects that are no longer wanted.

    """

    apply: Sequence[dict[str, Any]] = ()
    delete: Sequence[dict[str, Any]] = ()


def changes(
    desired: Sequence[dict[str, Any]], live: Mapping[Key, dict[str, Any]], owner: str
) -> Changes:
    """Compare what should be with what is.

    Args:
        desired: complete objects, with owner and digest.
        live: by kind and name.
        owner: uid of the model; an object of another owner is never deleted.

    """
    wanted = {(body["kind"], body["metadata"]["name"]): body for body in desired}
    return Changes(
        apply=[body for key, body in wanted.items() if _must_apply(body, live.get(key))],
        delete=[
            body
            for key, body in live.items()
            if key not in wanted
            and key[0] not in NEVER_DELETED
            and is_owned_by(body, owner)
            and "deletionTimestamp" not in body["metadata"]
        ],
    )


def _must_apply(desired: dict[str, Any], live: dict[str, Any] | None) -> bool:
    if live is None:
        return True
    if "deletionTimestamp" in live["metadata"]:
        # It is made again once it is gone, which wakes the model.
        return False
    return digest_of(desired) != digest_of(live) or differs(desired, live)


def differs(desired: Any, live: Any) -> bool:
    """Whether a field that we set has another value, or is missing, in the live object.

    Fields that the API server or other writers add are no difference, nor are empty values that
    the API server leaves out, nor two spellings of one quantity.
    """
    return _differs(desired, live, quantities=False)


def _differs(desired: Any, live: Any, *, quantities: bool) -> bool:
    if live is None:
        return desired not in (None, "", [], {})
    if isinstance(desired, dict):
        return not isinstance(live, dict) or any(
            _differs(
                value,
                live.get(key),
                quantities=quantities or key in _OF_QUANTITIES,
            )
            for key, value in desired.items()
        )
    if isinstance(desired, list):
        return not isinstance(live, list) or _lists_differ(desired, live)
    if quantities:
        return _quantity(desired) != _quantity(live)
    return bool(desired != live)


def _lists_differ(desired: list[Any], live: list[Any]) -> bool:
    """Items with a name are found by it, as others may add to such a list; the rest by place."""
    if desired and all(isinstance(item, dict) and "name" in item for item in [*desired, *live]):
        found = {item["name"]: item for item in live}
        return any(
            item["name"] not in found or _differs(item, found[item["name"]], quantities=False)
            for item in desired
        )
    return len(desired) != len(live) or any(
        _differs(ours, theirs, quantities=False) for ours, theirs in zip(desired, live, strict=True)
    )


def _quantity(value: Any) -> Decimal | str:
    """A Kubernetes quantity as a number: `1500m` is 1.5 and `1Gi` is 1073741824."""
    match = _QUANTITY.fullmatch(str(value))
    if match is None or match.group(2) not in _SUFFIXES:
        return str(value)
    return Decimal(match.group(1)) * _SUFFIXES[match.group(2)]

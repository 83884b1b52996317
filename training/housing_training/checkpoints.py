"""Checkpoints of a forest in the artifacts of its run: only the new trees of each step, no pickle."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Callable

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from sklearn.tree import DecisionTreeClassifier

from housing_core.registry_types import NotInRegistryError

FOLDER = "checkpoints"

_TRUSTED = ["sklearn.tree._tree.Tree"]
"""skops asks whether node numbers may be trusted; `_is_sound` checks them."""

_MARKER = re.compile(r"trees-(\d{6})\.json")
_LEAF = -1


class Marker(BaseModel):
    """Says that a file of trees is complete; written after it.

    Attributes:
        first, last: the trees in it, numbered from 0, `last` not among them.
        digest: `forest_digest` of the forest that they belong to.
        sha256: of the file.

    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    first: int
    last: int
    digest: str
    sha256: str


def pack(trees: list[DecisionTreeClassifier], last: int, digest: str) -> dict[str, bytes]:
    """The two artifacts of a checkpoint, file of trees first: path → content."""
    from skops import io as skops_io  # noqa: PLC0415 - a second, and boosting has no checkpoints

    content = skops_io.dumps(trees, compression=zipfile.ZIP_DEFLATED, compresslevel=1)
    marker = Marker(
        first=last - len(trees),
        last=last,
        digest=digest,
        sha256=hashlib.sha256(content).hexdigest(),
    )
    return {
        f"{FOLDER}/trees-{last:06d}.skops": content,
        f"{FOLDER}/trees-{last:06d}.json": marker.model_dump_json().encode(),
    }


def unpack(
    names: list[str], fetch: Callable[[str], bytes], digest: str, limit: int
) -> tuple[list[DecisionTreeClassifier], list[str]]:
    """The trees that checkpoints hold, in order, as far as they go.

    Args:
        names: file names in the checkpoints folder.
        fetch: artifact path → content; raises NotInRegistryError when it is not there.
        digest: of the forest to go on with; checkpoints of another one are passed over.
        limit: most trees that are wanted.

    Returns:
        The trees, and messages on checkpoints that could not be used.

    """
    trees: list[DecisionTreeClassifier] = []
    messages: list[str] = []
    if not names:
        return trees, messages
    from skops import io as skops_io  # noqa: PLC0415 - a second, and often there is nothing

    for name in sorted(name for name in names if _MARKER.fullmatch(name)):
        path = f"{FOLDER}/{name}"
        try:
            marker = Marker.model_validate_json(fetch(path))
        except ValidationError:
            messages.append(f"checkpoint {name} is ignored: its marker cannot be read")
            continue
        if marker.digest != digest:
            messages.append(
                f"checkpoint {name} is ignored: it belongs to another forest (other rows, "
                "settings or version of scikit-learn)"
            )
            continue
        if marker.first != len(trees) or marker.last > limit:
            continue
        try:
            content = fetch(f"{FOLDER}/trees-{marker.last:06d}.skops")
        except NotInRegistryError:
            messages.append(f"checkpoint {name} is ignored: its trees are not there")
            continue
        if hashlib.sha256(content).hexdigest() != marker.sha256:
            messages.append(f"checkpoint {name} is ignored: its trees are damaged")
            continue
        try:
            loaded = skops_io.loads(content, trusted=_TRUSTED)
        # A file of other versions of skops, numpy or scikit-learn may fail in any way.
        except Exception as error:  # noqa: BLE001 - see above
            why = (str(error).splitlines() or [""])[0]
            messages.append(f"checkpoint {name} is ignored: {type(error).__name__}: {why}")
            continue
        if len(loaded) != marker.last - marker.first or not all(map(_is_sound, loaded)):
            messages.append(f"checkpoint {name} is ignored: it does not hold whole trees")
            continue
        trees += loaded
    return trees, messages


def _is_sound(tree: object) -> bool:
    """Whether every node leads to later nodes of the same tree, so that no walk leaves it."""
    if not isinstance(tree, DecisionTreeClassifier):
        return False
    nodes = tree.tree_
    numbers = np.arange(nodes.node_count)
    inner = nodes.children_left != _LEAF
    return bool(
        np.array_equal(inner, nodes.children_right != _LEAF)
        and all(
            np.all((child > numbers)[inner]) and np.all(child < nodes.node_count)
            for child in (nodes.children_left, nodes.children_right)
        )
        and np.all(nodes.feature[inner] >= 0)
        and np.all(nodes.feature < nodes.n_features)
    )

"""Checkpoints of a forest in the artifacts of its run: only the new trees of each step, no pickle."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, ValidationError
from sklearn.tree import DecisionTreeClassifier
from skops import io as skops_io
from skops.io.exceptions import UntrustedTypesFoundException

FOLDER = "checkpoints"

_MARKER = re.compile(r"trees-(\d{6})\.json")


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
        fetch: artifact path → content.
        digest: of the forest to go on with; checkpoints of another one are passed over.
        limit: most trees that are wanted.

    Returns:
        The trees, and messages on checkpoints that could not be used.

    """
    trees: list[DecisionTreeClassifier] = []
    messages = []
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
        content = fetch(f"{FOLDER}/trees-{marker.last:06d}.skops")
        if hashlib.sha256(content).hexdigest() != marker.sha256:
            messages.append(f"checkpoint {name} is ignored: its trees are damaged")
            continue
        try:
            trees += skops_io.loads(content)
        except (UntrustedTypesFoundException, ValueError, KeyError, zipfile.BadZipFile) as error:
            messages.append(f"checkpoint {name} is ignored: {error}")
    return trees, messages

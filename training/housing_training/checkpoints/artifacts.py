"""Checkpoints of a forest in the artifacts of its run: only the new trees of each step, no pickle."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, ValidationError

from housing_core.registry_types import NotInRegistryError
from housing_training.checkpoints.tree_files import read_trees

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


def pack(content: bytes, first: int, last: int, digest: str) -> dict[str, bytes]:
    """The two artifacts of a checkpoint, file of trees first: path → content.

    Args:
        content: the file of trees.
        first, last, digest: see `Marker`.

    """
    sha256 = hashlib.sha256(content).hexdigest()
    marker = Marker(first=first, last=last, digest=digest, sha256=sha256)
    return {
        f"{FOLDER}/trees-{last:06d}.arrow.zst": content,
        f"{FOLDER}/trees-{last:06d}.json": marker.model_dump_json().encode(),
    }


@dataclass
class Found:
    """What checkpoints hold.

    Attributes:
        files: of trees, in their order, each of which can be read.
        trees: so many are in them.
        messages: on checkpoints that could not be used.

    """

    files: list[bytes] = field(default_factory=list)
    trees: int = 0
    messages: list[str] = field(default_factory=list)


def unpack(names: list[str], fetch: Callable[[str], bytes], digest: str, limit: int) -> Found:
    """The trees that checkpoints hold, in order, as far as they go.

    Args:
        names: file names in the checkpoints folder.
        fetch: artifact path → content; raises NotInRegistryError when it is not there.
        digest: of the forest to go on with; checkpoints of another one are passed over.
        limit: most trees that are wanted.

    """
    found = Found()
    for name in sorted(name for name in names if _MARKER.fullmatch(name)):
        try:
            marker = Marker.model_validate_json(fetch(f"{FOLDER}/{name}"))
        except ValidationError:
            found.messages.append(f"checkpoint {name} is ignored: its marker cannot be read")
            continue
        if marker.digest == digest and (marker.first != found.trees or marker.last > limit):
            continue
        try:
            found.files.append(_trees_of(marker, fetch, digest))
        except _UnusableError as error:
            found.messages.append(f"checkpoint {name} is ignored: {error}")
        else:
            found.trees = marker.last
    return found


class _UnusableError(Exception):
    """Why a checkpoint cannot be used."""


def _trees_of(marker: Marker, fetch: Callable[[str], bytes], digest: str) -> bytes:
    if marker.digest != digest:
        raise _UnusableError(
            "it belongs to another forest (other rows, settings or version of scikit-learn)"
        )
    try:
        content = fetch(f"{FOLDER}/trees-{marker.last:06d}.arrow.zst")
    except NotInRegistryError:
        raise _UnusableError("its trees are not there") from None
    if hashlib.sha256(content).hexdigest() != marker.sha256:
        raise _UnusableError("its trees are damaged")
    try:
        trees = read_trees(content)
    # A file of other versions of pyarrow, numpy or scikit-learn may fail in any way.
    except Exception as error:
        why = (str(error).splitlines() or [""])[0]
        raise _UnusableError(f"{type(error).__name__}: {why}") from error
    if len(trees) != marker.last - marker.first:
        raise _UnusableError("it does not hold the trees that its marker says")
    return content

"""What `inputs.onnx` computes, as lists: numbers as they are, one-hot categories and hash buckets.

Of few rows serving makes the same by itself, in less time than one call of a graph takes.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Position = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ListedNumber(_Part):
    """A numeric input.

    Attributes:
        input: its name.
        median: stands for a missing value.
        position: where the value goes.
        missing_position: where a one goes when it is missing; None when nothing does.

    """

    input: str
    median: float
    position: Position
    missing_position: Position | None = None


class ListedCategory(_Part):
    """An input of which each known text has a position of its own, where a one goes."""

    input: str
    positions: dict[str, Position]


class ListedHash(_Part):
    """Inputs whose texts are hashed together, behind a name.

    The text is `<name>=<text>`, several texts with `separator` between them. Its signed 32-bit
    MurmurHash3 of seed 0 tells bucket (its absolute value modulo the number of buckets) and value
    (1, or -1 for a negative hash).
    """

    name: str
    inputs: list[str]


class ListedInputs(_Part):
    """All of them: at which positions stands what.

    Attributes:
        buckets: how many there are.
        bucket_positions: bucket → where its value goes, of those that training has seen.
        separator: between the texts that are hashed together.
        unseen: where everything goes that training has not seen; nothing looks there.
        signs: (positions,) 1 or -1, what is multiplied with the value that stands there.

    """

    numbers: list[ListedNumber]
    categories: list[ListedCategory]
    hashes: list[ListedHash]
    buckets: Annotated[int, Field(gt=0)]
    bucket_positions: dict[int, Position]
    separator: str
    unseen: Position
    signs: list[int]

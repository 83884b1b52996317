"""What texts came to: listings say the same few things again and again. Pure."""

from __future__ import annotations

from typing import Any, TypeVar

REMEMBERED_LENGTH = 100
"""Most characters of a text that is kept: a stranger may send any number of any length."""

Made = TypeVar("Made")


class Remembered(dict[Any, Made]):
    """Value → what it came to, of the last values that were no numbers and no long texts."""

    def keep(self, value: object, made: Made, most: int) -> None:
        """Remember one more; when there are `most`, all others are forgotten."""
        # 1, 1.0 and true are one key of a dictionary.
        if isinstance(value, int | float):
            return
        if isinstance(value, str) and len(value) > REMEMBERED_LENGTH:
            return
        if len(self) >= most:
            self.clear()
        self[value] = made

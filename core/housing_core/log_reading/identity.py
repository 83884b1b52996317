"""Rows of the log by a 64-bit number, so that millions of them can be told apart in little memory."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from housing_core import prediction_log as log

_WORD = 8
_ODD = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)


def identities(rows: pa.Table) -> NDArray[np.uint64]:
    """A number for each row's (request id, row), the same on any machine.

    Each eight bytes are mixed in by a multiplication and a shift, as in Fowler, Noll and Vo's
    hashes. Two of ten million rows share a number by chance in one window of 370,000; the later
    one then counts as logged twice.

    Args:
        rows: with the columns request id and row.

    """
    words, lengths = _words(rows[log.REQUEST_ID])
    found = _mixed(rows[log.ROW].to_numpy().astype(np.uint64) + np.uint64(1))
    for position in range(words.shape[1]):
        mixed = _mixed(found ^ words[:, position])
        # A longer id elsewhere in the chunk must not change this one's number.
        there = lengths > position * _WORD
        found = mixed if there.all() else np.where(there, mixed, found)
    return _mixed(found ^ lengths.astype(np.uint64))


def digest(numbers: NDArray[np.uint64]) -> str:
    """Equal for equal sets of numbers, which come in rising order."""
    return hashlib.sha256(numbers.astype("<u8", copy=False).data).hexdigest()


def _words(ids: pa.ChunkedArray) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The UTF-8 bytes of each id, (rows, words), padded with zeros; and how many bytes it has."""
    texts = ids.cast(pa.large_string()).combine_chunks()
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset :][: len(texts) + 1]
    lengths = np.diff(offsets)
    width = max(-(-int(lengths.max(initial=1)) // _WORD), 1) * _WORD
    content = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    if len(lengths) and (lengths == width).all():
        padded = content[offsets[0] : offsets[-1]]
    else:
        padded = np.zeros(len(lengths) * width, np.uint8)
        starts = np.arange(len(lengths)) * width
        shift = np.repeat(starts - offsets[:-1], lengths)
        source = np.arange(offsets[0], offsets[-1]) if len(lengths) else np.zeros(0, np.int64)
        padded[source + shift] = content[source]
    words: NDArray[np.uint64] = padded.view("<u8").reshape(len(lengths), width // _WORD)
    return words, lengths


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed = values * _ODD
    mixed ^= mixed >> _SHIFT
    return mixed

"""MurmurHash3 (x86, 32 bits), by which the reference profile remembers rare categories."""

from __future__ import annotations

_MASK = 0xFFFFFFFF


def murmurhash3_32(text: str) -> int:
    """Hash of the UTF-8 text with seed 0, unsigned; equal to scikit-learn's `murmurhash3_32`.

    Source: Austin Appleby's MurmurHash3_x86_32 (public domain).
    """
    data = text.encode()
    whole = len(data) & ~3
    digest = 0
    for position in range(0, whole, 4):
        digest ^= _mixed(int.from_bytes(data[position : position + 4], "little"))
        digest = (_rotated(digest, 13) * 5 + 0xE6546B64) & _MASK
    digest ^= _mixed(int.from_bytes(data[whole:], "little"))
    digest ^= len(data)
    digest = ((digest ^ digest >> 16) * 0x85EBCA6B) & _MASK
    digest = ((digest ^ digest >> 13) * 0xC2B2AE35) & _MASK
    return digest ^ digest >> 16


def _mixed(block: int) -> int:
    return (_rotated((block * 0xCC9E2D51) & _MASK, 15) * 0x1B873593) & _MASK


def _rotated(value: int, bits: int) -> int:
    return (value << bits | value >> 32 - bits) & _MASK

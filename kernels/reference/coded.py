"""The format of conv2d_coded_s8: weights of −8 … 7 in a prefix code of their own, none longer than six bits.

    lengths   (8,) uint8: the length of each of the 16 values' codes, −8 first, two in a byte, the low half first; 0 of
              a value that does not occur
    codes     the codes, the first in the highest bits of the first byte: window positions and channels in the order of
              OHWI, but of two output channels, 2i and 2i + 1, in turn; 3 bytes behind them may be read

Codes are canonical: the shorter ones first, among equals the lower value first, counting upwards. Their lengths are
those that take the fewest bits, found by package-merge: Larmore & Hirschberg, "A fast algorithm for optimal
length-limited Huffman codes", 1990. What is computed from it is `conv2d`.
"""

from __future__ import annotations

import numpy as np

LOWEST, HIGHEST = -8, 7
LONGEST = 6
READ_AHEAD = 3  # bytes: the reader takes two at a time, before it knows that it needs them
LENGTHS_BYTES = 8


def fits(weights: np.ndarray) -> bool:
    """Whether every weight is one of the 16 values that there are codes for."""
    return bool(weights.size) and int(weights.min()) >= LOWEST and int(weights.max()) <= HIGHEST


def code_lengths(counts: np.ndarray) -> np.ndarray:
    """(16,) bits of the code of each value that occurs `counts` times, 0 where that is never: the least
    Σ counts · lengths with no length above LONGEST."""
    symbols = [int(s) for s in np.flatnonzero(counts)]
    lengths = np.zeros(len(counts), int)
    if len(symbols) == 1:
        lengths[symbols[0]] = 1
    if len(symbols) < 2:
        return lengths
    coins = sorted((int(counts[s]), (s,)) for s in symbols)
    packages: list[tuple[int, tuple[int, ...]]] = []
    for _ in range(LONGEST):
        pairs = zip(packages[::2], packages[1::2], strict=False)
        packages = sorted(coins + [(a[0] + b[0], a[1] + b[1]) for a, b in pairs])
    for _, package in packages[: 2 * len(symbols) - 2]:
        np.add.at(lengths, list(package), 1)
    return lengths


def counts_of(weights: np.ndarray) -> np.ndarray:
    """(16,) how often each value occurs. Raises ValueError for values that there are no codes for."""
    if not fits(weights):
        raise ValueError(f"weights from {weights.min()} to {weights.max()} have no codes: {LOWEST} to {HIGHEST} have")
    return np.bincount(weights.ravel().astype(int) - LOWEST, minlength=HIGHEST - LOWEST + 1)


def coded_bytes(weights: np.ndarray) -> int:
    """Bytes of lengths and codes, with those that may be read behind them."""
    counts = counts_of(weights)
    return LENGTHS_BYTES + -(-int(counts @ code_lengths(counts)) // 8) + READ_AHEAD


def pack_coded(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(lengths (8,) uint8, codes (n,) int8 with READ_AHEAD zeros) of OHWI weights."""
    lengths = code_lengths(counts_of(weights))
    codes = canonical(lengths)
    written = "".join(codes[value] for value in in_turn(weights).tolist())
    bits = np.array(list(written.encode()), np.uint8) - ord("0")
    nibbles = lengths.astype(np.uint8).reshape(-1, 2)
    stream = np.concatenate([np.packbits(bits), np.zeros(READ_AHEAD, np.uint8)])
    return nibbles[:, 0] | nibbles[:, 1] << 4, stream.view(np.int8)


def unpack_coded(lengths: np.ndarray, codes: np.ndarray, shape_ohwi: tuple[int, int, int, int]) -> np.ndarray:
    """The OHWI weights again."""
    values = {code: value for value, code in canonical(np.stack([lengths & 15, lengths >> 4], axis=1).ravel()).items()}
    bits = "".join(map(str, np.unpackbits(codes.view(np.uint8)).tolist()))
    found, begin, end = [], 0, 1
    while len(found) < int(np.prod(shape_ohwi)):
        if bits[begin:end] in values:
            found.append(values[bits[begin:end]])
            begin = end
        end += 1
    order = in_turn(np.arange(len(found)).reshape(shape_ohwi))
    weights = np.empty(len(found), np.int8)
    weights[order] = found
    return weights.reshape(shape_ohwi)


def canonical(lengths: np.ndarray) -> dict[int, str]:
    """The code of each value that has one, as a string of 0 and 1."""
    codes, code, before = {}, 0, 0
    for length, symbol in sorted((int(n), s) for s, n in enumerate(lengths) if n):
        code <<= length - before
        codes[symbol + LOWEST] = f"{code:0{length}b}"
        code, before = code + 1, length
    return codes


def in_turn(ohwi: np.ndarray) -> np.ndarray:
    """The weights in the order of their codes."""
    channels = ohwi.reshape(len(ohwi), -1)
    pairs = channels[: len(channels) // 2 * 2].reshape(-1, 2, channels.shape[1])
    return np.concatenate([pairs.transpose(0, 2, 1).ravel(), channels[len(channels) // 2 * 2 :].ravel()])

"""The format of conv2d_coded_s8: weights of −8 … 7 in as many bits as they hold information, by a tabled asymmetric
numeral system.

    shares    uint8: first 16·(values − 1) + lowest + 8, then of how many of the STATES each value from the lowest on is
              the symbol; together they are STATES
    codes     a string of bits, the first in the highest bit of the first byte: the first state, then what each step
              reads; 3 bytes behind it may be read

The decoder is in one of STATES states. Each has a symbol, the next weight, and leads on: the states of a symbol hold,
in order, the numbers x = share … 2·share − 1, each brought to STATES … 2·STATES − 1 by the b bits that are read next
below it. So a symbol of share s takes log2(STATES / s) bits on the average, not a whole number of them: fewer than one
where most weights are zero. Weights come window position by window position in the order of OHWI, but of two output
channels, 2i and 2i + 1, in turn. What is computed from them is `conv2d`.

Duda, "Asymmetric numeral systems: entropy coding combining speed of Huffman coding with compression rate of arithmetic
coding", 2013; the scattering of the symbols over the states is that of Collet's finite state entropy.
"""

from __future__ import annotations

import heapq

import numpy as np

LOWEST, HIGHEST = -8, 7
STATE_BITS = 7
STATES = 1 << STATE_BITS
STRIDE = (STATES >> 1) + (STATES >> 3) + 3  # odd, so that it meets every state
READ_AHEAD = 3  # bytes: the reader takes two at a time, before it knows that it needs them


def fits(weights: np.ndarray) -> bool:
    """Whether every weight is one of the 16 values that there are codes for."""
    return bool(weights.size) and int(weights.min()) >= LOWEST and int(weights.max()) <= HIGHEST


def counts_of(weights: np.ndarray) -> np.ndarray:
    """(16,) how often each value occurs. Raises ValueError for values that there are no codes for."""
    if not fits(weights):
        raise ValueError(f"weights from {weights.min()} to {weights.max()} have no codes: {LOWEST} to {HIGHEST} have")
    return np.bincount(weights.ravel().astype(int) - LOWEST, minlength=HIGHEST - LOWEST + 1)


def shares_of(counts: np.ndarray) -> np.ndarray:
    """(16,) of how many states each value is the symbol: one at least of those that occur, else those under which the
    weights take fewest bits, Σ counts · log2(STATES / shares). One state more wins less each time, so the best next
    one each time is best."""
    shares = (counts > 0).astype(int)
    gains = [(-gain(counts[s], 1), int(s)) for s in np.flatnonzero(counts)]
    heapq.heapify(gains)
    for _ in range(STATES - int(shares.sum())):
        _, symbol = gains[0]
        shares[symbol] += 1
        heapq.heapreplace(gains, (-gain(counts[symbol], int(shares[symbol])), symbol))
    return shares


def gain(count: int, share: int) -> float:
    """Bits that a state more than `share` saves."""
    return float(count * np.log2(1 + 1 / share))


def symbols_of(shares: np.ndarray) -> np.ndarray:
    """(STATES,) the symbol of each state, 0 for LOWEST."""
    scattered = np.arange(STATES) * STRIDE % STATES
    symbols = np.empty(STATES, int)
    symbols[scattered] = np.repeat(np.arange(len(shares)), shares)
    return symbols


def steps_of(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each state (its symbol, how many bits are read there, what they are added to), each (STATES,)."""
    symbols = symbols_of(shares)
    numbers = np.empty(STATES, int)
    for symbol in np.flatnonzero(shares):
        own = symbols == symbol
        numbers[own] = shares[symbol] + np.arange(np.sum(own))
    bits = STATE_BITS - np.floor(np.log2(numbers)).astype(int)
    return symbols, bits, (numbers << bits) - STATES


def pack_coded(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(shares (n,) uint8, codes (n,) int8 with READ_AHEAD zeros) of OHWI weights."""
    shares = shares_of(counts_of(weights))
    symbols = symbols_of(shares)
    # Which state holds the number x of a symbol, and how many bits bring a number down to the symbol's own.
    holders = [np.flatnonzero(symbols == symbol).tolist() for symbol in range(len(shares))]
    whole = shares.tolist()
    number, written = STATES, []
    for symbol in (in_turn(weights)[::-1].astype(int) - LOWEST).tolist():  # the last weight first
        share, held = whole[symbol], holders[symbol]
        low = 0
        while number >> low >= 2 * share:
            low += 1
        if low:
            written.append(f"{number & ((1 << low) - 1):0{low}b}")
        number = STATES + held[(number >> low) - share]
    written.append(f"{number - STATES:0{STATE_BITS}b}")
    bits = np.array(list("".join(reversed(written)).encode()), np.uint8) - ord("0")
    present = np.flatnonzero(shares)
    lowest, values = int(present[0]), int(present[-1] - present[0] + 1)
    header = np.array([16 * (values - 1) + lowest, *shares[lowest : lowest + values]], np.uint8)
    return header, np.concatenate([np.packbits(bits), np.zeros(READ_AHEAD, np.uint8)]).view(np.int8)


def unpack_coded(header: np.ndarray, codes: np.ndarray, shape_ohwi: tuple[int, int, int, int]) -> np.ndarray:
    """The OHWI weights again."""
    shares = np.zeros(HIGHEST - LOWEST + 1, int)
    shares[header[0] & 15 :][: len(header) - 1] = header[1:]
    symbols, bits, bases = steps_of(shares)
    string = "".join(map(str, np.unpackbits(codes.view(np.uint8)).tolist()))
    found = np.empty(int(np.prod(shape_ohwi)), np.int8)
    state, at = int(string[:STATE_BITS], 2), STATE_BITS
    for i in range(len(found)):
        found[i] = symbols[state] + LOWEST
        count = int(bits[state])
        state = int(bases[state]) + int(string[at : at + count] or "0", 2)
        at += count
    weights = np.empty_like(found)
    weights[in_turn(np.arange(len(found)).reshape(shape_ohwi))] = found
    return weights.reshape(shape_ohwi)


def in_turn(ohwi: np.ndarray) -> np.ndarray:
    """The weights in the order of their codes."""
    channels = ohwi.reshape(len(ohwi), -1)
    pairs = channels[: len(channels) // 2 * 2].reshape(-1, 2, channels.shape[1])
    return np.concatenate([pairs.transpose(0, 2, 1).ravel(), channels[len(channels) // 2 * 2 :].ravel()])

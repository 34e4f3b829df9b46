"""Images as PNG: signature, IHDR, one IDAT of unfiltered rows, IEND, each chunk with its CRC.

PNG specification, third edition (https://www.w3.org/TR/png-3/), sections 5, 7 and 11. No imaging package: the path
without data must not need one.
"""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

GREY, COLOUR = 0, 2


def png(image: np.ndarray) -> bytes:
    """`image` (h, w, 1) or (h, w, 3), uint8."""
    height, width, channels = image.shape
    header = struct.pack(">IIBBBBB", width, height, 8, COLOUR if channels == 3 else GREY, 0, 0, 0)
    rows = np.concatenate([np.zeros((height, 1), np.uint8), image.reshape(height, -1)], axis=1)  # filter type 0
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, content) for name, content in chunks)


def png_base64(image: np.ndarray) -> str:
    return base64.b64encode(png(image)).decode()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

"""The part of MessagePack that the servers' RPC protocols use."""

import struct
from typing import Any


def pack(value: Any) -> bytes:
    """Encode None, a bool, a natural number, text, bytes, or a list or dict of them."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return bytes([value]) if value < 0x80 else b"\xcf" + struct.pack(">Q", value)
    if isinstance(value, str | bytes):
        # The servers use the old raw type for text and bytes.
        raw = value.encode() if isinstance(value, str) else value
        return (
            bytes([0xA0 | len(raw)]) if len(raw) < 32 else b"\xda" + struct.pack(">H", len(raw))
        ) + raw
    if isinstance(value, list):
        return b"\xdc" + struct.pack(">H", len(value)) + b"".join(map(pack, value))
    if isinstance(value, dict):
        return (
            b"\xde"
            + struct.pack(">H", len(value))
            + b"".join(pack(key) + pack(item) for key, item in value.items())
        )
    raise TypeError(type(value))


class IncompleteError(Exception):
    """The data ends before the value does."""


def unpack(data: bytes) -> tuple[Any, bytes]:
    """Decode the first value, with text as bytes; return it and the remaining data.

    Raises:
        IncompleteError: more bytes are needed.
    """
    value, end = _Reader(data).value(0)
    return value, data[end:]


NUMBERS = {
    0xCC: "B",
    0xCD: "H",
    0xCE: "I",
    0xCF: "Q",
    0xD0: "b",
    0xD1: "h",
    0xD2: "i",
    0xD3: "q",
    0xCA: "f",
    0xCB: "d",
}
LENGTHS = {
    **dict(zip((0xC4, 0xC5, 0xC6), "BHI", strict=True)),
    **dict(zip((0xD9, 0xDA, 0xDB), "BHI", strict=True)),
    **dict(zip((0xDC, 0xDD), "HI", strict=True)),
    **dict(zip((0xDE, 0xDF), "HI", strict=True)),
    **dict(zip((0xC7, 0xC8, 0xC9), "BHI", strict=True)),
}
SINGLE: dict[int, Any] = {0xC0: None, 0xC2: False, 0xC3: True}


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def _take(self, start: int, length: int) -> bytes:
        if start + length > len(self._data):
            raise IncompleteError
        return self._data[start : start + length]

    def _number(self, start: int, kind: str) -> tuple[Any, int]:
        length = struct.calcsize(f">{kind}")
        return struct.unpack(f">{kind}", self._take(start, length))[0], start + length

    def value(self, start: int) -> tuple[Any, int]:
        [kind] = self._take(start, 1)
        start += 1
        if kind < 0x80 or kind >= 0xE0:
            return kind - (0x100 if kind >= 0xE0 else 0), start
        if kind in SINGLE:
            return SINGLE[kind], start
        if kind in NUMBERS:
            return self._number(start, NUMBERS[kind])
        if 0xD4 <= kind <= 0xD8:  # an extension: its type, then its data
            length = 1 << (kind - 0xD4)
            return self._take(start + 1, length), start + 1 + length
        if kind in LENGTHS:
            length, start = self._number(start, LENGTHS[kind])
            family = {0xDC: 0x90, 0xDD: 0x90, 0xDE: 0x80, 0xDF: 0x80}.get(kind, 0xA0)
            start += kind in (0xC7, 0xC8, 0xC9)
        else:
            family, length = (
                (kind & 0xE0, kind & 0x1F) if kind >= 0xA0 else (kind & 0xF0, kind & 0x0F)
            )
        if family == 0x80:
            return self._map(start, length)
        if family == 0x90:
            return self._list(start, length)
        return self._take(start, length), start + length

    def _list(self, start: int, length: int) -> tuple[list[Any], int]:
        items = []
        for _ in range(length):
            value, start = self.value(start)
            items.append(value)
        return items, start

    def _map(self, start: int, length: int) -> tuple[dict[Any, Any], int]:
        items = {}
        for _ in range(length):
            key, start = self.value(start)
            items[key], start = self.value(start)
        return items, start

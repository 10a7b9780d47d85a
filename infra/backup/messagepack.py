"""A decoder of MessagePack, in which Consul and Nomad write the records of a snapshot."""

import struct
from typing import Any

NIL, FALSE, TRUE = 0xC0, 0xC2, 0xC3
NUMBERS = {
    0xCA: ">f",
    0xCB: ">d",
    0xCC: ">B",
    0xCD: ">H",
    0xCE: ">I",
    0xCF: ">Q",
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}
"""Format of each number, by its first byte."""
BYTES = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I", 0xD9: ">B", 0xDA: ">H", 0xDB: ">I"}
EXTENSIONS = {0xC7: ">B", 0xC8: ">H", 0xC9: ">I"}
ARRAYS = {0xDC: ">H", 0xDD: ">I"}
MAPS = {0xDE: ">H", 0xDF: ">I"}
"""Format of the length, by the first byte."""
FIXED_EXTENSIONS = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
"""Number of bytes, by the first byte."""


class MessagePackError(ValueError):
    """The content is not MessagePack, or it ends too early."""


class Decoder:
    """Reads objects and single bytes from ``content``, one after another.

    Texts are bytes, because Go writes both alike; keys of maps are texts. The value of an extension
    is its bytes.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._position = 0

    @property
    def is_at_end(self) -> bool:
        return self._position == len(self._content)

    def read_byte(self) -> int:
        return self._read(1)[0]

    def read_object(self) -> Any:
        """Return the next object.

        Raises:
            MessagePackError: there is none.
        """
        first = self.read_byte()
        if first <= 0x7F:
            return first
        if first <= 0x8F:
            return self._read_map(first & 0x0F)
        if first <= 0x9F:
            return self._read_array(first & 0x0F)
        if first <= 0xBF:
            return self._read(first & 0x1F)
        if first >= 0xE0:
            return first - 0x100
        if first in (NIL, FALSE, TRUE):
            return None if first == NIL else first == TRUE
        if first in NUMBERS:
            return self._read_number(NUMBERS[first])
        if first in BYTES:
            return self._read(self._read_number(BYTES[first]))
        if first in ARRAYS:
            return self._read_array(self._read_number(ARRAYS[first]))
        if first in MAPS:
            return self._read_map(self._read_number(MAPS[first]))
        if first in EXTENSIONS or first in FIXED_EXTENSIONS:
            size = FIXED_EXTENSIONS.get(first) or self._read_number(EXTENSIONS[first])
            self._read(1)
            return self._read(size)
        raise MessagePackError(f"no object starts with the byte {first:#x}")

    def _read(self, size: int) -> bytes:
        start, end = self._position, self._position + size
        if end > len(self._content):
            raise MessagePackError("the content ends within an object")
        self._position = end
        return self._content[start:end]

    def _read_number(self, number_format: str) -> Any:
        return struct.unpack(number_format, self._read(struct.calcsize(number_format)))[0]

    def _read_array(self, size: int) -> list[Any]:
        return [self.read_object() for _ in range(size)]

    def _read_map(self, size: int) -> dict[str, Any]:
        return {_text(self.read_object()): self.read_object() for _ in range(size)}


def _text(key: object) -> str:
    return key.decode(errors="replace") if isinstance(key, bytes) else str(key)

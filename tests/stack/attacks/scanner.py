"""A TCP SYN scan of every port of some addresses, run as a program as root in a network namespace.

The first argument is JSON: ``targets`` (addresses), ``rate`` (packets per second) and ``control``
(an address and an open port). Packets to the control in between prove that none was lost. The
output is JSON: the open ports by address, and how many controls were sent and answered.
"""

import json
import random
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator
from typing import Any

LAST_PORT = 65535
BATCH_PACKETS = 64
"""Sent between two reads."""
CONTROL_INTERVAL_PACKETS = 2048
LAST_ANSWERS_S = 2.0
RECEIVE_BUFFER_BYTES = 32 << 20
SO_RCVBUFFORCE = 33
SYN, SYN_ACK = 0x02, 0x12
SOURCE_PORT = 61000
"""Above the ephemeral range, so that all answers to it belong to the scan."""

Address = tuple[str, int]


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def syn_packet(source: str, destination: Address, source_port: int) -> bytes:
    """Return a TCP header with SYN; its checksum covers both addresses."""
    sequence = random.getrandbits(32)
    header = struct.pack(
        ">HHIIBBHHH", source_port, destination[1], sequence, 0, 5 << 4, SYN, 64240, 0, 0
    )
    pseudo_header = (
        socket.inet_aton(source)
        + socket.inet_aton(destination[0])
        + struct.pack(">BBH", 0, socket.IPPROTO_TCP, len(header))
    )
    return header[:16] + struct.pack(">H", checksum(pseudo_header + header)) + header[18:]


def source_address(destination: str) -> str:
    """Return the address from which this machine reaches another."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((destination, 9))
        return str(probe.getsockname()[0])


def destinations(targets: list[str], control: Address) -> Iterator[tuple[Address, bool]]:
    """Yield every port of each target, and the control in between with True.

    The order is shuffled with a fixed seed: the same in each run, without long closed ranges.
    """
    ports = list(range(1, LAST_PORT + 1))
    shuffle = random.Random(0).shuffle
    count = 0
    for address in targets:
        shuffle(ports)
        for port in ports:
            if count % CONTROL_INTERVAL_PACKETS == 0:
                yield control, True
            count += 1
            yield (address, port), False


class Scan:
    """One scan. Its source ports are used by nothing else."""

    def __init__(self, targets: list[str], control: Address, rate: int) -> None:
        self._targets, self._control, self._rate = targets, control, rate
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        self._socket.setblocking(False)
        self._sources = {address: source_address(address) for address in {*targets, control[0]}}
        self._open: dict[str, set[int]] = {address: set() for address in targets}
        self._sent = self._controls = 0
        self._answered: set[int] = set()

    def run(self) -> dict[str, Any]:
        start = time.monotonic()
        for destination, is_control in destinations(self._targets, self._control):
            # Each control has its own source port, so that none counts as a retransmission.
            self._controls += is_control
            source_port = SOURCE_PORT + self._controls if is_control else SOURCE_PORT
            packet = syn_packet(self._sources[destination[0]], destination, source_port)
            self._socket.sendto(packet, (destination[0], 0))
            self._sent += 1
            if self._sent % BATCH_PACKETS == 0:
                self._receive(max(0.0, start + self._sent / self._rate - time.monotonic()))
        end = time.monotonic() + LAST_ANSWERS_S
        while time.monotonic() < end:
            self._receive(0.05)
        return {
            "open": {address: sorted(ports) for address, ports in self._open.items()},
            "sent": self._sent,
            "controls": self._controls,
            "answered": len(self._answered),
        }

    def _receive(self, duration_s: float) -> None:
        """Read answers for a duration."""
        end = time.monotonic() + duration_s
        while True:
            try:
                while True:
                    self._record(self._socket.recv(128))
            except BlockingIOError:
                left = end - time.monotonic()
                if left <= 0 or not select.select([self._socket], [], [], left)[0]:
                    return

    def _record(self, packet: bytes) -> None:
        header_length = (packet[0] & 0x0F) * 4
        port, own_port = struct.unpack(">HH", packet[header_length : header_length + 4])
        if packet[header_length + 13] & 0x3F != SYN_ACK:
            return
        address = socket.inet_ntoa(packet[12:16])
        if own_port == SOURCE_PORT and address in self._open:
            self._open[address].add(port)
        elif (address, port) == self._control and (
            SOURCE_PORT < own_port <= SOURCE_PORT + self._controls
        ):
            self._answered.add(own_port)


def main() -> None:
    args = json.loads(sys.argv[1])
    host, port = args["control"]
    print(json.dumps(Scan(args["targets"], (host, port), args["rate"]).run()))


if __name__ == "__main__":
    main()

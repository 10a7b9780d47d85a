"""Every TCP port of some addresses, asked with one SYN each: run as a program in the network of who asks, as root.

The first argument is JSON: ``targets`` (addresses), ``rate`` (packets a second), and ``control`` (address and port),
which is open and is asked in between; so a scan in which packets get lost tells so. Prints as JSON what is open by
address, and how often the control was asked and answered.
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
BATCH = 64
"""Packets between two looks at what came back."""
CONTROL_EVERY = 2048
PATIENCE_SECONDS = 2.0
"""For the last answers."""
RECEIVE_BUFFER = 32 << 20
SO_RCVBUFFORCE = 33
SYN, SYN_ACK = 0x02, 0x12

Target = tuple[str, int]


def checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def syn(source: str, target: Target, port: int) -> bytes:
    """A TCP header that asks for a connection; its checksum covers both addresses."""
    header = struct.pack(
        ">HHIIBBHHH", port, target[1], random.getrandbits(32), 0, 5 << 4, SYN, 64240, 0, 0
    )
    addresses = (
        socket.inet_aton(source)
        + socket.inet_aton(target[0])
        + struct.pack(">BBH", 0, socket.IPPROTO_TCP, len(header))
    )
    return header[:16] + struct.pack(">H", checksum(addresses + header)) + header[18:]


def source_for(address: str) -> str:
    """The address from which this machine speaks to another."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.connect((address, 9))
        return str(asked.getsockname()[0])


def asked(targets: list[str], control: Target) -> Iterator[tuple[Target, bool]]:
    """Every port of each target, and whether it is the control's turn instead."""
    ports = list(range(1, LAST_PORT + 1))
    count = 0
    for address in targets:
        random.shuffle(ports)
        for port in ports:
            if count % CONTROL_EVERY == 0:
                yield control, True
            count += 1
            yield (address, port), False


class Scan:
    """One run. A port from which nothing is sent otherwise tells the answers to us from all else."""

    def __init__(self, targets: list[str], control: Target, rate: int) -> None:
        self._targets, self._control, self._rate = targets, control, rate
        self._port = random.randrange(61000, 65000)
        self._raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
        self._raw.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        self._raw.setblocking(False)
        self._sources = {address: source_for(address) for address in {*targets, control[0]}}
        self._open: dict[str, set[int]] = {address: set() for address in targets}
        self._sent = self._controls = 0
        self._answered: set[int] = set()

    def run(self) -> dict[str, Any]:
        start = time.monotonic()
        for target, is_control in asked(self._targets, self._control):
            # A port of its own for each question to the control, so that none is taken for a repetition.
            self._controls += is_control
            port = self._port + self._controls if is_control else self._port
            self._raw.sendto(syn(self._sources[target[0]], target, port), (target[0], 0))
            self._sent += 1
            if self._sent % BATCH == 0:
                self._receive(max(0.0, start + self._sent / self._rate - time.monotonic()))
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            self._receive(0.05)
        found = {address: sorted(ports) for address, ports in self._open.items()}
        return {
            "open": found,
            "sent": self._sent,
            "controls": self._controls,
            "answered": len(self._answered),
        }

    def _receive(self, seconds: float) -> None:
        """Take what is there, for so long."""
        end = time.monotonic() + seconds
        while True:
            try:
                while True:
                    self._take(self._raw.recv(128))
            except BlockingIOError:
                left = end - time.monotonic()
                if left <= 0 or not select.select([self._raw], [], [], left)[0]:
                    return

    def _take(self, packet: bytes) -> None:
        words = (packet[0] & 0x0F) * 4
        source, own = struct.unpack(">HH", packet[words : words + 4])
        if packet[words + 13] & 0x3F != SYN_ACK:
            return
        address = socket.inet_ntoa(packet[12:16])
        if own == self._port and address in self._open:
            self._open[address].add(source)
        elif (address, source) == self._control and self._port < own <= self._port + self._controls:
            self._answered.add(own)


def main() -> None:
    told = json.loads(sys.argv[1])
    print(
        json.dumps(
            Scan(told["targets"], (told["control"][0], told["control"][1]), told["rate"]).run()
        )
    )


if __name__ == "__main__":
    main()

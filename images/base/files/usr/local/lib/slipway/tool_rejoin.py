#!/usr/bin/python3
"""tool-rejoin ADDRESS...: leave a cluster that is gone for the one whose primes have these private addresses.

What a Nomad client was given by its former servers, its identity first of all, no other server takes. So its memory is
forgotten: at the next boot, which is now, because until then the former cluster's tasks have their directories mounted.
"""

import subprocess
import sys
from ipaddress import AddressValueError, IPv4Address

import before_nomad
import cluster

TOLD = "boots afresh"
"""What the caller waits for: the connection may break right after."""


def main(arguments: list[str]) -> int:
    try:
        primes = [str(IPv4Address(argument)) for argument in arguments]
    except AddressValueError as wrong:
        print(f"tool-rejoin: {wrong}", file=sys.stderr)
        return 2
    if not primes:
        print("tool-rejoin: name the primes' private addresses", file=sys.stderr)
        return 2
    cluster.set_primes(primes)
    before_nomad.FORGET.touch()
    print(TOLD, flush=True)
    subprocess.run(["systemctl", "kill", "--signal=KILL", "nomad.service"], check=False)  # draining would ask the former servers
    subprocess.run(["systemctl", "--no-block", "reboot"], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

#!/usr/bin/python3
"""tool-ip: print the node's private address, the one inside the VPC."""

import sys

import cluster


def main() -> int:
    try:
        _, address = cluster.private_address(cluster.read().vpc)
    except cluster.NotReadyError as reason:
        print(f"tool-ip: {reason}", file=sys.stderr)
        return 1
    print(address)
    return 0


if __name__ == "__main__":
    sys.exit(main())

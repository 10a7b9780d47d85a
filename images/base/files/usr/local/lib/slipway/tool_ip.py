#!/usr/bin/python3
"""tool-ip: print the node's private address, the one inside the VPC."""

import sys

import node


def main() -> int:
    try:
        _, address = node.private_address(node.read().vpc)
    except node.NotReadyError as reason:
        print(f"tool-ip: {reason}", file=sys.stderr)
        return 1
    print(address)
    return 0


if __name__ == "__main__":
    sys.exit(main())

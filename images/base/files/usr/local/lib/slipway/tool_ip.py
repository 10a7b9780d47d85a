#!/usr/bin/python3
"""tool-ip: print the node's private address, the one in the VPC."""

import sys

import node


def main() -> int:
    """Print the address; return 1 if the node is not enrolled or has none."""
    try:
        _, address = node.find_private_address(node.read().vpc)
    except node.NodeError as error:
        print(f"tool-ip: {error}", file=sys.stderr)
        return 1
    print(address)
    return 0


if __name__ == "__main__":
    sys.exit(main())

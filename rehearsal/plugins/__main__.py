"""``python -m rehearsal.plugins NAME ENGINE``: what an installed stand-in runs, started by the Pulumi engine."""

import argparse
import importlib

from rehearsal.plugins import VERSIONS


def main() -> None:
    """Serve the package named on the command line."""
    parser = argparse.ArgumentParser(
        description="A stand-in for an official Pulumi provider plugin."
    )
    parser.add_argument("name", choices=sorted(VERSIONS))
    parser.add_argument("engine", help="address of the Pulumi engine")
    known, _ = parser.parse_known_args()

    # Imported late: a wrong command line is told without loading gRPC.
    from rehearsal.plugins.provider import StandIn
    from rehearsal.plugins.server import serve

    package = importlib.import_module(f"rehearsal.plugins.{known.name}.package").PACKAGE
    serve(StandIn(package, VERSIONS[known.name]), VERSIONS[known.name], known.engine)


if __name__ == "__main__":
    main()

"""``python -m rehearsal.plugins NAME ENGINE``: the command that the Pulumi engine starts."""

import argparse
import importlib

from rehearsal.plugins import VERSIONS


def main() -> None:
    """Serve the package named on the command line."""
    parser = argparse.ArgumentParser(
        description="A provider emulator: replaces an official Pulumi provider plugin."
    )
    parser.add_argument("name", choices=sorted(VERSIONS))
    parser.add_argument("engine", help="address of the Pulumi engine")
    args, _ = parser.parse_known_args()

    # Imported late, so that a wrong command line is reported without loading gRPC.
    from rehearsal.plugins.provider import ProviderEmulator
    from rehearsal.plugins.server import serve

    package = importlib.import_module(f"rehearsal.plugins.{args.name}.package").PACKAGE
    version = VERSIONS[args.name]
    serve(ProviderEmulator(package, version), version, args.engine)


if __name__ == "__main__":
    main()

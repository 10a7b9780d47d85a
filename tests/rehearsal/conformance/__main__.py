"""Send generated requests to the API, and validate each response against the specification."""

import argparse
import os
import sys
import tempfile
import time

from rehearsal.config import CloudConfig
from rehearsal.machines.memory import MemoryMachines
from tests.rehearsal.conformance import generated_requests
from tests.rehearsal.support import coverage, spec
from tests.rehearsal.support.client import UNLIMITED, running


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.rehearsal.conformance", description=__doc__
    )
    parser.add_argument(
        "--requests",
        type=int,
        default=20_000,
        metavar="N",
        help="The minimum number of requests (default: %(default)s).",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        metavar="N",
        help="The seed. Equal seeds give equal requests (default: %(default)s).",
    )
    args = parser.parse_args()
    if not spec.FILE.exists():
        print(
            f"{spec.FILE} does not exist: it holds DigitalOcean's OpenAPI specification, which is "
            "not part of the repository.",
            file=sys.stderr,
        )
        return 2
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as state:
        os.environ["SLIPWAY_STATE"] = state
        config = CloudConfig(
            name="conformance",
            index=15,
            machines="memory",
            port=1,
            token="t" * 64,
            spaces_key="key",
            spaces_secret="secret",
        )
        config.save()
        operations = generated_requests.operations(spec.raw(), coverage.is_supported)
        print(
            f"{args.requests} requests of {len(operations)} operations, seed {args.seed}",
            file=sys.stderr,
        )
        with running(config, MemoryMachines(config), UNLIMITED) as client:
            findings = generated_requests.run(
                client.url, config.token, operations, args.requests, args.seed
            )
    for operation, statuses in sorted(findings.statuses.items()):
        print(
            operation, " ".join(f"{status}:{count}" for status, count in sorted(statuses.items()))
        )
    for violation, count in findings.violations.most_common():
        print(f"\n{count} x {violation}")
    duration_s = time.monotonic() - start
    print(
        f"{findings.requests} requests, {findings.violations.total()} violations, "
        f"{duration_s:.0f} s",
        file=sys.stderr,
    )
    return 1 if findings.violations else 0


if __name__ == "__main__":
    sys.exit(main())

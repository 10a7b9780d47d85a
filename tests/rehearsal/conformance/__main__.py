"""``python -m tests.rehearsal.conformance``: the trial, as long as one likes."""

import argparse
import os
import sys
import tempfile
import time

from rehearsal.config import CloudConfig
from rehearsal.machines.memory import MemoryMachines
from tests.rehearsal.conformance import trial
from tests.rehearsal.conftest import UNLIMITED
from tests.rehearsal.support import coverage, spec
from tests.rehearsal.support.client import running


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.rehearsal.conformance", description=__doc__
    )
    parser.add_argument(
        "--requests",
        type=int,
        default=20_000,
        metavar="N",
        help="how many at least (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        metavar="N",
        help="the same requests for the same number (default: %(default)s)",
    )
    options = parser.parse_args()
    if not spec.FILE.exists():
        print(
            f"The API's description is not at hand: {spec.FILE.name} is kept outside the checkout.",
            file=sys.stderr,
        )
        return 2
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as state:
        os.environ["SLIPWAY_STATE"] = state
        config = CloudConfig(
            name="trial",
            index=15,
            machines="memory",
            port=1,
            token="t" * 64,
            spaces_key="key",
            spaces_secret="secret",
        )
        config.save()
        asked = trial.operations(spec.raw(), coverage.is_supported)
        print(
            f"{options.requests} requests of {len(asked)} operations, seed {options.seed}",
            file=sys.stderr,
        )
        with running(config, MemoryMachines(config), UNLIMITED) as client:
            findings = trial.run(client.url, config.token, asked, options.requests, options.seed)
    for operation, statuses in sorted(findings.statuses.items()):
        print(
            operation, " ".join(f"{status}:{count}" for status, count in sorted(statuses.items()))
        )
    for violation, count in findings.violations.most_common():
        print(f"\n{count} x {violation}")
    seconds = time.monotonic() - start
    print(
        f"{findings.requests} requests, {findings.violations.total()} violations, {seconds:.0f} s",
        file=sys.stderr,
    )
    return 1 if findings.violations else 0


if __name__ == "__main__":
    sys.exit(main())

"""``down``: take a cloud down with all that is in it, and prove that nothing is left."""

import argparse
import sys
import time

from rehearsal.lifecycle import clouds


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "down", help="take a cloud down and prove that nothing of it is left; also after a crash"
    )
    parser.add_argument("--cloud", default="rehearsal", metavar="NAME")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    start = time.monotonic()
    left = clouds.down(options.cloud)
    if left:
        print(
            f"cloud {options.cloud} left behind:\n" + "\n".join(f"  {line}" for line in left),
            file=sys.stderr,
        )
        return 1
    looked = "no process, namespace, link, mount, cgroup or file"
    print(
        f"cloud {options.cloud} is down: {looked} is left ({time.monotonic() - start:.1f} s)",
        file=sys.stderr,
    )
    return 0

"""Install the pinned tools, or report what is installed.

``python3 -m toolchain setup | doctor | bin | packer-plugins``
"""

import argparse
import json
import sys

# An older Python may start this module; it must fail here, before the syntax of the others.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(f"python3 on PATH is {sys.version.split()[0]}: Slipway needs Python 3.11 or later")

from toolchain import debian, doctor, plugins, python, tools
from toolchain.errors import ToolError
from toolchain.progress import print_line


def _setup() -> int:
    try:
        debian.install_missing()
        python.install_requirements()
        tools.install_missing()
        plugins.install_missing()
    except ToolError as error:
        print_line("fail", str(error))
        return 1
    except KeyboardInterrupt:
        print_line("fail", "interrupted: finished steps are kept, run `make setup` again")
        return 130
    return 0


def _doctor(as_json: bool) -> int:
    items = doctor.inspect()
    print(json.dumps([vars(item) for item in items], indent=2) if as_json else doctor.render(items))
    return 0 if doctor.is_complete(items) else 1


def main() -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python3 -m toolchain",
        description="Install the pinned tools, or report what is installed.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("setup", help="install or build what is missing")
    doctor_parser = commands.add_parser(
        "doctor", help="list each tool and plugin, its version and origin, and what is missing"
    )
    doctor_parser.add_argument("--json", action="store_true", help="print JSON")
    commands.add_parser("bin", help="print the directory to put first on PATH")
    commands.add_parser("packer-plugins", help="print the directory for PACKER_PLUGIN_PATH")
    args = parser.parse_args()
    if args.command == "setup":
        return _setup()
    if args.command == "doctor":
        return _doctor(args.json)
    print(tools.bin_dir() if args.command == "bin" else plugins.packer_plugins())
    return 0


if __name__ == "__main__":
    sys.exit(main())

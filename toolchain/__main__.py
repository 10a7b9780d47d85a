"""``python3 -m toolchain setup | doctor | bin | packer-plugins``: get the pinned tools, or tell what is there."""

import argparse
import json
import sys

if sys.version_info < (3, 11):  # noqa: UP036 (an older Python may well start this, and must be told before it reads on)
    sys.exit(f"python3 on PATH is {sys.version.split()[0]}: Slipway needs Python 3.11 or later")

from toolchain import debian, plugins, python, tools
from toolchain.progress import line
from toolchain.versions import tools as pinned


def _setup() -> int:
    debian.ensure()
    python.ensure()
    tools.ensure()
    plugins.ensure()
    return 0


def _doctor(as_json: bool) -> int:
    """Print each tool and plugin; 1 if anything is missing."""
    report: list[dict[str, str]] = []
    for tool in pinned():
        found = tools.find(tool)
        report.append(
            {
                "kind": "tool",
                "name": tool.name,
                "version": found.version if found else tool.version,
                "origin": found.origin if found else "missing",
                "where": str(found.path) if found else "make setup",
            }
        )
    for provider in plugins.providers():
        where = "make setup" if provider.origin == "missing" else str(plugins.pulumi_home())
        report.append(
            {
                "kind": "plugin",
                "name": provider.name,
                "version": provider.version,
                "origin": provider.origin,
                "where": where,
            }
        )
    for package in debian.missing():
        report.append(
            {
                "kind": "debian",
                "name": package,
                "version": "-",
                "origin": "missing",
                "where": f"apt-get install {package}",
            }
        )
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        for row in report:
            print(
                f"{row['kind']:8}{row['name']:32}{row['version']:12}{row['origin']:10}{row['where']}"
            )
    return 1 if any(row["origin"] == "missing" for row in report) else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m toolchain", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("setup", help="install or build what is missing")
    doctor = commands.add_parser("doctor", help="each tool, its version and where it came from")
    doctor.add_argument("--json", action="store_true")
    commands.add_parser("bin", help="print the directory to put first on PATH")
    commands.add_parser("packer-plugins", help="print the directory for PACKER_PLUGIN_PATH")
    arguments = parser.parse_args()
    if arguments.command == "doctor":
        return _doctor(arguments.json)
    directories = {"bin": tools.bin_dir, "packer-plugins": plugins.packer_plugins}
    if arguments.command in directories:
        print(directories[arguments.command]())
        return 0
    try:
        return _setup()
    except tools.ToolError as error:
        line("fail", str(error))
        return 1
    except KeyboardInterrupt:
        line("fail", "interrupted: what was built so far is kept")
        return 130


if __name__ == "__main__":
    sys.exit(main())

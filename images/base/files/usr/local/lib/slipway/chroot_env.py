#!/usr/bin/python3
"""Print the Nomad configuration of an exec task's file system: this machine's Python and what it loads, no more.

Nomad's own choice is the whole of /usr, linked file by file for every allocation.
"""

import json
import re
import subprocess
import sysconfig
from pathlib import Path

PYTHON = str(Path("/usr/bin/python3").resolve())
ETC = (
    "/etc/group",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/resolv.conf",
    "/etc/ssl/certs/ca-certificates.crt",
)


def libraries(programs: list[str]) -> dict[str, str]:
    """The shared libraries that ``programs`` load: real file -> the path by which the loader asks for it."""
    shown = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    asked = re.findall(r"^\s+(?:\S+ => )?(/\S+) \(0x", shown, re.MULTILINE)
    return {str(Path(path).resolve()): path for path in asked}


def chroot() -> dict[str, str]:
    """Path on this machine -> path in the task."""
    library = sysconfig.get_path("stdlib")
    modules = [str(module) for module in Path(library, "lib-dynload").glob("*.so")]
    paths = ["/usr/bin/python3", PYTHON, library, *ETC]
    return {path: path for path in paths} | libraries([PYTHON, *modules])


if __name__ == "__main__":
    print(json.dumps({"client": {"chroot_env": chroot()}}, indent=2, sort_keys=True))

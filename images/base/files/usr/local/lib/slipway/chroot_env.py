#!/usr/bin/python3
"""Print the Nomad configuration of an exec task's file system: this machine's Python only.

Nomad's default is all of /usr, linked file by file for every allocation.
"""

import json
import re
import subprocess
import sysconfig
from pathlib import Path

PYTHON = str(Path("/usr/bin/python3").resolve())
ETC_FILES = (
    "/etc/group",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/resolv.conf",
    "/etc/ssl/certs/ca-certificates.crt",
)


def find_shared_libraries(programs: list[str]) -> dict[str, str]:
    """Return the libraries that ``programs`` load: real file -> path that the loader opens."""
    output = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    paths = re.findall(r"^\s+(?:\S+ => )?(/\S+) \(0x", output, re.MULTILINE)
    return {str(Path(path).resolve()): path for path in paths}


def chroot_paths() -> dict[str, str]:
    """Return path on this machine -> path in the task."""
    standard_library = sysconfig.get_path("stdlib")
    modules = [str(module) for module in Path(standard_library, "lib-dynload").glob("*.so")]
    paths = ["/usr/bin/python3", PYTHON, standard_library, *ETC_FILES]
    return {path: path for path in paths} | find_shared_libraries([PYTHON, *modules])


if __name__ == "__main__":
    print(json.dumps({"client": {"chroot_env": chroot_paths()}}, indent=2, sort_keys=True))

"""The rules of the house, read from the source: who may import whom, and what no file may hold.

Every rule is a function from the house to its offences. Each is also shown a small house that breaks it, so that no
rule can fall silent unnoticed.
"""

import ast
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from importlib.util import resolve_name
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[1]
LONGEST = 300
"""Lines of a module outside tests."""

PACKAGES = ("infra", "jobs", "services", "images", "deploy", "rehearsal", "toolchain", "tests")
MAY_IMPORT = {
    "__main__": ("infra", "jobs", "services.pack"),
    "infra": ("infra",),
    "jobs": ("jobs", "infra.settings", "infra.mtls"),
    "services": ("services",),
    "images": (),
    "deploy": ("deploy", "infra.settings", "infra.mtls"),
    "rehearsal": ("rehearsal", "toolchain"),
    "toolchain": ("toolchain",),
}
"""Of our own packages. The cluster and the rehearsal meet over HTTP only; tests may import anything."""

MACHINE_KINDS = ("rehearsal.machines.nspawn", "rehearsal.machines.memory")
PICK_THE_KIND = ("rehearsal.server", "rehearsal.lifecycle")
"""The second stops the machines of a cloud whose server is dead."""

NOT_FOR_ROOMS = ("rehearsal.server", "rehearsal.lifecycle", "rehearsal.verbs", "rehearsal.plugins", "rehearsal.inside", "rehearsal.network")
STAND_INS = {"digitalocean", "nomad", "consul", "random", "tls"}
PURE = ("infra.settings", "infra.addresses", "infra.user_data", "infra.mtls")
"""Without Pulumi: used and tested without an engine."""

TRUSTS_ANYONE = re.compile(
    r"\bverify=False|CERT_NONE|_create_unverified|skip_verify=True|skipVerify[\"']?: True|InsecureSkipVerify: true"
    r"|StrictHostKeyChecking.{1,5}no\b|--insecure|--no-check-certificate|--allow-unauthenticated"
)
MAY_TRUST = {
    "services/prober/probe.py": "a check in the catalogue may ask for it",
    "rehearsal/plugins/rest.py": "the official plugins have the setting",
}
"""Tests too, which speak to machines that they made."""

WITHOUT_TLS = re.compile(r"skip_?verify(?!=False)|insecure_?https", re.IGNORECASE)
"""Switches that turn verification off; a resource may say outright that it leaves it on."""
IN_THE_PRODUCT = ("infra/", "jobs/", "deploy/", "services/", "images/", "__main__.py")

MACHINE_PATH = re.compile(r"(?<![\w.$}>-])/(?:root|work|home|Users)/")
REGISTRY = re.compile(r"(?:--(?:extra-)?index-url|--find-links|--trusted-host|GOPROXY ?=|GONOSUMDB|GOSUMDB ?=|PIP_INDEX_URL)")
MAY_NAME_PATHS = {
    "images/base/scripts/forget-machine.sh": "of the droplet, not of a machine that builds",
    "tests/test_house.py": "as above",
}

House = Mapping[str, str]
"""Path in the checkout -> text."""


@pytest.fixture(scope="module")
def house() -> House:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / name for name in listed.split("\0") if name]
    return {str(file.relative_to(ROOT)): file.read_text(errors="replace") for file in files if file.is_file()}


def modules(house: House) -> Iterator[tuple[str, str, ast.Module]]:
    """Path, dotted name and syntax tree of each Python file."""
    for path, text in house.items():
        if path.endswith(".py"):
            yield path, path.removesuffix(".py").removesuffix("/__init__").replace("/", "."), ast.parse(text, path)


def imports(path: str, name: str, tree: ast.Module) -> set[str]:
    """What a module imports, wherever in it: ``from infra import settings`` gives ``infra.settings``."""
    package = name if path.endswith("__init__.py") else name.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def edges(house: House) -> Iterator[tuple[str, str, str]]:
    """Path, importer and imported, of all imports."""
    for path, name, tree in modules(house):
        for imported in sorted(imports(path, name, tree)):
            yield path, name, imported


def packages(house: House) -> Iterator[str]:
    """No package reaches beyond what it may; nothing imports tests."""
    for path, name, imported in edges(house):
        own = name.partition(".")[0]
        if own != "tests" and within(imported, *PACKAGES) and not within(imported, *MAY_IMPORT[own]):
            yield f"{path} imports {imported}; {own} may import {', '.join(MAY_IMPORT[own]) or 'nothing of ours'}"


def services(house: House) -> Iterator[str]:
    """A service imports itself and what all services share; of the shared parts connect knows serving; none knows a service."""
    for path, name, imported in edges(house):
        own = ".".join(name.split(".")[:2])
        if within(name, "services") and within(imported, "services"):
            may = {"services": (), "services.pack": (), "services.serving": (own,), "services.connect": (own, "services.serving")}
            if not within(imported, *may.get(own, (own, "services.serving", "services.connect"))):
                yield f"{path} imports {imported}"


def rooms(house: House) -> Iterator[str]:
    """A room knows its own files and what all rooms share: no other room, no kind of machine, nothing that runs the cloud."""
    for path, name, imported in edges(house):
        if not within(name, "rehearsal.rooms"):
            continue
        room = ".".join(name.split(".")[:3])
        if within(imported, "rehearsal.rooms") and not within(imported, room):
            yield f"{path} imports {imported}, which is another room's"
        elif within(imported, *NOT_FOR_ROOMS) or (
            within(imported, "rehearsal.machines") and not within(imported, "rehearsal.machines.protocol")
        ):
            yield f"{path} imports {imported}; of the machines a room knows the protocol only"


def rules_without_http(house: House) -> Iterator[str]:
    """HTTP is for a room's routes: rules and shapes can be called without it."""
    for path, name, imported in edges(house):
        if within(name, "rehearsal.rooms") and not name.endswith(".routes") and within(imported, "fastapi", "starlette"):
            yield f"{path} imports {imported}"


def machine_kinds(house: House) -> Iterator[str]:
    """One place decides what is behind a droplet."""
    for path, name, imported in edges(house):
        if within(imported, *MACHINE_KINDS) and not within(name, *PICK_THE_KIND, "tests"):
            yield f"{path} imports {imported}"


def stand_ins(house: House) -> Iterator[str]:
    """A stand-in sees a cloud as the official plugin would, over HTTP; and none knows another."""
    for path, name, imported in edges(house):
        if not within(name, "rehearsal.plugins"):
            wrong = within(imported, "rehearsal.plugins") and not within(name, "rehearsal.verbs.stand_ins", "tests")
        elif within(imported, "rehearsal.plugins"):
            own, other = name.split(".")[2:3], imported.split(".")[2:3]
            wrong = own != other and set(other) <= STAND_INS and bool(own)
        else:
            wrong = within(imported, "rehearsal", "toolchain")
        if wrong:
            yield f"{path} imports {imported}"


def _components(tree: ast.Module) -> Iterator[ast.ClassDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).rpartition(".")[2] == "ComponentResource" for base in node.bases):
            yield node


def components(house: House) -> Iterator[str]:
    """A component is given what it needs by who puts components together, and imports none."""
    having = {name for _, name, tree in modules(house) if next(_components(tree), None)}
    for path, name, imported in edges(house):
        if name in having and any(within(imported, other) for other in having - {name}):
            yield f"{path} imports {imported}, another component"


def type_tokens(house: House) -> Iterator[str]:
    """A component's type is ``slipway:module:Class``: it is in every URN, where it stays for good."""
    for path, name, tree in modules(house):
        for node in _components(tree) if not within(name, "tests") else ():
            calls = [call for call in ast.walk(node) if isinstance(call, ast.Call) and ast.unparse(call.func) == "super().__init__"]
            tokens = [call.args[0].value for call in calls if call.args and isinstance(call.args[0], ast.Constant)]
            wanted = f"slipway:{name.partition('.')[0]}:{node.name}"
            if tokens != [wanted]:
                yield f"{path}: {node.name} has the type {tokens}, not {wanted}"


def pure_modules(house: House) -> Iterator[str]:
    """Settings and arithmetic are used without an engine."""
    for path, name, imported in edges(house):
        if name in PURE and within(imported, "pulumi", "pulumi_digitalocean", "pulumi_nomad", "pulumi_consul"):
            yield f"{path} imports {imported}"


def lengths(house: House) -> Iterator[str]:
    """A module is read in one go."""
    for path, text in house.items():
        if path.endswith(".py") and not path.startswith("tests/") and (count := len(text.splitlines())) > LONGEST:
            yield f"{path} has {count} lines; {LONGEST} at most"


def trust(house: House) -> Iterator[str]:
    """Nobody is trusted unproven."""
    yield from _lines({path: text for path, text in house.items() if not path.startswith("tests/")}, TRUSTS_ANYONE, MAY_TRUST)


def verified(house: House) -> Iterator[str]:
    """Nothing of the product even has a switch by which certificates go unverified."""
    own = {path: text for path, text in house.items() if path.startswith(IN_THE_PRODUCT)}
    yield from _lines(own, WITHOUT_TLS, MAY_TRUST)


def machine_paths(house: House) -> Iterator[str]:
    """No path of the machine on which it was written."""
    yield from _lines(house, MACHINE_PATH, MAY_NAME_PATHS)


def registries(house: House) -> Iterator[str]:
    """Where packages come from is the machine's own business: neither the setting, nor the host that this machine uses."""
    values = (os.environ.get(name, "") for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "GOPROXY", "NPM_CONFIG_REGISTRY"))
    hosts = {host for value in values for url in re.split(r"[,|\s]", value) if (host := urlsplit(url).hostname) and "." in host}
    named = re.compile("|".join([REGISTRY.pattern, *map(re.escape, sorted(hosts))]))
    yield from _lines(house, named, {"tests/test_house.py": "names what it looks for"})


def _lines(house: House, pattern: re.Pattern[str], allowed: Mapping[str, str]) -> Iterator[str]:
    for path, text in house.items():
        if path not in allowed:
            yield from (
                f"{path}:{number}: {line.strip()[:120]}" for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)
            )


Rule = Callable[[House], Iterator[str]]

COMPONENT = (
    "import pulumi\n\nclass {name}(pulumi.ComponentResource):\n    def __init__(self, name):\n        super().__init__('{token}', name)\n"
)
BROKEN: dict[Rule, list[House]] = {
    packages: [
        {"infra/edge.py": "from rehearsal.config import CloudConfig"},
        {"rehearsal/store.py": "def late():\n    import infra.settings"},
        {"jobs/health.py": "from infra.readiness import Readiness"},
        {"deploy/stack.py": "from rehearsal import paths"},
        {"services/pack.py": "from toolchain.paths import cache_root"},
        {"images/base/scripts/install.py": "import services.pack"},
        {"__main__.py": "from services.prober import main"},
        {"toolchain/tools.py": "from rehearsal import paths"},
        {"jobs/backserve.py": "from tests.jobs import conftest"},
    ],
    services: [
        {"services/frontserve/main.py": "from services.backserve.main import build"},
        {"services/serving/serving.py": "from services import prober"},
        {"services/serving/gate.py": "from services.connect import Mesh"},
        {"services/connect/mesh.py": "from services.backserve.main import build"},
        {"services/pack.py": "from services.serving import Serving"},
    ],
    rooms: [
        {"rehearsal/rooms/tags/rules.py": "from rehearsal.rooms.droplets import rules"},
        {"rehearsal/rooms/tags/rules.py": "from ..droplets import rules"},
        {"rehearsal/rooms/tags/rules.py": "from rehearsal.machines import nspawn"},
        {"rehearsal/rooms/tags/routes.py": "from rehearsal.server import Api"},
    ],
    rules_without_http: [{"rehearsal/rooms/tags/rules.py": "from fastapi import HTTPException"}],
    machine_kinds: [{"rehearsal/keeper.py": "from rehearsal.machines.nspawn import NspawnMachines"}],
    stand_ins: [
        {"rehearsal/plugins/rest.py": "from rehearsal.store import Store"},
        {"rehearsal/plugins/nomad/api.py": "from rehearsal.plugins.consul.api import Consul"},
        {"rehearsal/store.py": "from rehearsal.plugins.rest import Rest"},
    ],
    components: [
        {
            "infra/edge.py": "from infra.network import Network\n" + COMPONENT.format(name="Edge", token="slipway:infra:Edge"),
            "infra/network.py": COMPONENT.format(name="Network", token="slipway:infra:Network"),
        }
    ],
    type_tokens: [
        {"infra/edge.py": COMPONENT.format(name="Edge", token="slipway:jobs:Edge")},
        {"infra/edge.py": COMPONENT.format(name="Edge", token="slipway:infra:Border")},
        {"infra/edge.py": COMPONENT.format(name="Edge", token="custom:Edge")},
    ],
    pure_modules: [{"infra/settings.py": "import pulumi"}],
    lengths: [{"infra/edge.py": "x = 1\n" * (LONGEST + 1)}],
    trust: [{"infra/agents.py": "requests.get(url, verify=False)"}, {"infra/providers.py": "Provider(skip_verify=True)"}],
    verified: [
        {"infra/providers.py": "consul.Provider(insecure_https=settings.insecure)"},
        {"infra/settings.py": "nomad_skip_verify: bool = False"},
        {"jobs/program.py": "{'TLSSkipVerify': trusting}"},
        {"images/base/files/usr/local/lib/slipway/nomad_rpc.py": "os.environ['NOMAD_SKIP_VERIFY'] = '1'"},
    ],
    machine_paths: [{"README.md": "cd /" + "work/main"}, {"infra/image.py": "KEY = '/root/.ssh/id'"}],
    registries: [
        {"requirements.txt": "--index-url https://packages.example/simple"},
        {"Makefile": "GOPROXY=https://modules.example go build"},
    ],
}


def _id(rule: Rule) -> str:
    return rule.__name__


@pytest.mark.parametrize("rule", BROKEN, ids=_id)
def test_the_house_keeps_the_rule(house: House, rule: Rule) -> None:
    offences = list(rule(house))
    assert not offences, "\n".join([rule.__doc__ or "", *offences])


@pytest.mark.parametrize(("rule", "broken"), [(rule, broken) for rule, houses in BROKEN.items() for broken in houses])
def test_the_rule_notices_a_house_that_breaks_it(rule: Rule, broken: House) -> None:
    assert list(rule(broken))


def test_every_package_has_a_rule(house: House) -> None:
    """A new folder of Python is either in the house, with what it may import, or not there."""
    assert {name.partition(".")[0] for _, name, _ in modules(house)} <= {"__main__", *PACKAGES}


def test_the_program_has_no_place_for_more() -> None:
    """``__main__`` puts components together and holds none of their work."""
    assert len((ROOT / "__main__.py").read_text().splitlines()) <= 50

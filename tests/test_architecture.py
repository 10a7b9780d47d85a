"""Architecture rules, checked against the source: import directions, sizes, names and security.

Each rule is a function from a source tree to its violations. A second test shows each rule a small
broken tree, so that a rule that finds nothing is noticed.
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
MAX_MODULE_LINES = 300
"""Of a module outside tests."""

MAX_COLUMNS = 100

PACKAGES = ("infra", "jobs", "services", "images", "deploy", "rehearsal", "toolchain", "tests")
MAY_IMPORT = {
    "__main__": ("infra", "jobs", "services.pack"),
    "infra": ("infra", "services.packed_service"),
    "jobs": (
        "jobs",
        "infra.settings",
        "infra.mtls",
        "services.packed_service",
        "services.duration",
    ),
    "services": ("services",),
    "images": (),
    "deploy": (
        "deploy",
        "infra.settings",
        "infra.mtls",
        "infra.names",
        "infra.digitalocean_api",
        "infra.state_format",
    ),
    "rehearsal": ("rehearsal", "toolchain"),
    "toolchain": ("toolchain",),
}
"""Of our own packages. The cluster and the rehearsal meet over HTTP only; tests may import anything.

Of the services, the program imports two modules of plain data: what packing makes, and durations.
"""

MACHINE_KINDS = ("rehearsal.machines.nspawn", "rehearsal.machines.memory")
CHOOSE_MACHINE_KIND = ("rehearsal.server", "rehearsal.lifecycle.clouds")
"""The second stops the machines of a cloud whose server is dead."""

REHEARSAL_ROOT = (
    "config",
    "paths",
    "subprocesses",
    "clock",
    "errors",
    "limits",
    "times",
    "atomic_file",
    "polling",
)
"""Modules that every package of rehearsal may import; they import only each other."""
REHEARSAL_LAYERS = {
    "commands": ("lifecycle", "server", "network", "spaces", "state", "plugins"),
    "lifecycle": ("machines", "network", "spaces", "topology", "state", "catalog"),
    "server": ("resources", "api", "machines", "topology", "state"),
    "resources": ("api", "topology", "state", "catalog"),
    "machines": ("network", "topology"),
    "api": ("topology", "state", "catalog"),
    "network": ("spaces", "topology", "state", "catalog"),
    "spaces": ("state", "catalog"),
    "topology": ("state", "catalog"),
    "state": ("catalog",),
    "catalog": (),
}
"""What each package may import besides itself and the root modules; arrows point downwards only."""
MAX_TOP_LEVEL_MODULES = {"rehearsal": 12, "infra": 26, "jobs": 20, "deploy": 24, "toolchain": 14}
"""Python modules directly in a package, its ``__init__`` included."""

EMULATED_PROVIDERS = {"digitalocean", "nomad", "consul", "random", "tls"}
PURE = (
    "infra.settings",
    "infra.settings_input",
    "infra.addresses",
    "infra.user_data",
    "infra.mtls",
    "infra.names",
    "infra.digitalocean_api",
    "infra.state_format",
    "jobs.services",
    "services.packed_service",
    "services.duration",
)
"""Without Pulumi: used and tested without an engine."""

TRUSTS_ANYONE = re.compile(
    r"\bverify=False|CERT_NONE|_create_unverified|skip_verify=True|skipVerify[\"']?: True|InsecureSkipVerify: true"
    r"|StrictHostKeyChecking.{1,5}no\b|--insecure|--no-check-certificate|--allow-unauthenticated"
)
MAY_TRUST = {
    "services/prober/check.py": "a check in the catalogue may ask for it",
    "rehearsal/plugins/rest.py": "the official plugins have the setting",
}
"""Tests too, which speak to machines that they made."""

WITHOUT_TLS = re.compile(r"skip_?verify(?!=False)|insecure_?https", re.IGNORECASE)
"""Switches that turn verification off; a resource may say outright that it leaves it on."""
IN_THE_PRODUCT = ("infra/", "jobs/", "deploy/", "services/", "images/", "__main__.py")

MACHINE_PATH = re.compile(r"(?<![\w.$}>-])/(?:root|work|home|Users)/")
REGISTRY = re.compile(
    r"(?:--(?:extra-)?index-url|--find-links|--trusted-host|GOPROXY ?=|GONOSUMDB|GOSUMDB ?=|PIP_INDEX_URL)"
)
MAY_NAME_PATHS = {
    "images/base/scripts/clean-image.sh": "of the droplet, not of a machine that builds",
    "tests/test_architecture.py": "as above",
}

Sources = Mapping[str, str]
"""Path in the checkout -> text."""


@pytest.fixture(scope="module")
def sources() -> Sources:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    files = [ROOT / name for name in listed.split("\0") if name]
    return {
        str(file.relative_to(ROOT)): file.read_text(errors="replace")
        for file in files
        if file.is_file()
    }


def modules(sources: Sources) -> Iterator[tuple[str, str, ast.Module]]:
    """Path, dotted name and syntax tree of each Python file."""
    for path, text in sources.items():
        if path.endswith(".py"):
            yield (
                path,
                path.removesuffix(".py").removesuffix("/__init__").replace("/", "."),
                ast.parse(text, path),
            )


def imports(path: str, name: str, tree: ast.Module) -> set[str]:
    """What a module imports, wherever in it: ``from infra import settings`` gives ``infra.settings``."""
    package = name if path.endswith("__init__.py") else name.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = (
                resolve_name("." * node.level + (node.module or ""), package)
                if node.level
                else node.module
            )
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def edges(sources: Sources) -> Iterator[tuple[str, str, str]]:
    """Path, importer and imported, of all imports."""
    for path, name, tree in modules(sources):
        for imported in sorted(imports(path, name, tree)):
            yield path, name, imported


def packages(sources: Sources) -> Iterator[str]:
    """No package reaches beyond what it may; nothing imports tests."""
    for path, name, imported in edges(sources):
        own = name.partition(".")[0]
        if (
            own != "tests"
            and within(imported, *PACKAGES)
            and not within(imported, *MAY_IMPORT[own])
        ):
            yield f"{path} imports {imported}; {own} may import {', '.join(MAY_IMPORT[own]) or 'nothing of ours'}"


def services(sources: Sources) -> Iterator[str]:
    """A service imports itself and what all services share; of the shared parts connect knows serving; none knows a service."""
    for path, name, imported in edges(sources):
        own = ".".join(name.split(".")[:2])
        if within(name, "services") and within(imported, "services"):
            may = {
                "services": (),
                "services.pack": ("services.packed_service",),
                "services.serving": (own,),
                "services.connect": (own, "services.serving"),
            }
            shared = ("services.duration", "services.serving", "services.connect")
            if not within(imported, *may.get(own, (own, *shared))):
                yield f"{path} imports {imported}"


def rehearsal_layers(sources: Sources) -> Iterator[str]:
    """A package of rehearsal imports what is below it; the root modules import only each other."""
    for path, name, imported in edges(sources):
        if not within(name, "rehearsal") or not within(imported, "rehearsal"):
            continue
        own, other = (f"{dotted}..".split(".")[1] for dotted in (name, imported))
        if own in ("", "__main__", "plugins") or own == other or other in REHEARSAL_ROOT:
            continue
        if other not in REHEARSAL_LAYERS.get(own, ()):
            yield f"{path} imports {imported}"


def resources(sources: Sources) -> Iterator[str]:
    """A resource imports its own modules and those that all share; of the machines, the protocol."""
    for path, name, imported in edges(sources):
        own = ".".join(name.split(".")[:3])
        if (
            within(name, "rehearsal.resources")
            and within(imported, "rehearsal.resources")
            and _is_package(sources, ".".join(imported.split(".")[:3]))
            and not within(imported, own)
        ):
            yield f"{path} imports {imported}, which belongs to another resource"


def _is_package(sources: Sources, dotted: str) -> bool:
    folder = dotted.replace(".", "/") + "/"
    return any(path.startswith(folder) for path in sources)


def services_without_http(sources: Sources) -> Iterator[str]:
    """Only the routes of a resource use HTTP; its service and schemas work without it."""
    for path, name, imported in edges(sources):
        if (
            within(name, "rehearsal.resources")
            and not name.endswith(".routes")
            and within(imported, "fastapi", "starlette")
        ):
            yield f"{path} imports {imported}"


def machine_kinds(sources: Sources) -> Iterator[str]:
    """Two modules choose the machine kind."""
    for path, name, imported in edges(sources):
        if within(imported, *MACHINE_KINDS) and not within(name, *CHOOSE_MACHINE_KIND, "tests"):
            yield f"{path} imports {imported}"


def provider_emulators(sources: Sources) -> Iterator[str]:
    """A provider emulator reaches a cloud over HTTP only and imports no other emulator."""
    for path, name, imported in edges(sources):
        if not within(name, "rehearsal.plugins"):
            wrong = within(imported, "rehearsal.plugins") and not within(
                name, "rehearsal.commands.provider_emulators", "tests"
            )
        elif within(imported, "rehearsal.plugins"):
            own, other = name.split(".")[2:3], imported.split(".")[2:3]
            wrong = own != other and set(other) <= EMULATED_PROVIDERS and bool(own)
        else:
            wrong = within(imported, "rehearsal", "toolchain")
        if wrong:
            yield f"{path} imports {imported}"


def _components(tree: ast.Module) -> Iterator[ast.ClassDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(
            ast.unparse(base).rpartition(".")[2] == "ComponentResource" for base in node.bases
        ):
            yield node


def components(sources: Sources) -> Iterator[str]:
    """A component is given what it needs by who puts components together, and imports none."""
    having = {name for _, name, tree in modules(sources) if next(_components(tree), None)}
    for path, name, imported in edges(sources):
        if name in having and any(within(imported, other) for other in having - {name}):
            yield f"{path} imports {imported}, another component"


def type_tokens(sources: Sources) -> Iterator[str]:
    """A component's type is ``slipway:module:Class``: it is in every URN, where it stays for good."""
    for path, name, tree in modules(sources):
        for node in _components(tree) if not within(name, "tests") else ():
            calls = [
                call
                for call in ast.walk(node)
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "super().__init__"
            ]
            tokens = [
                call.args[0].value
                for call in calls
                if call.args and isinstance(call.args[0], ast.Constant)
            ]
            wanted = f"slipway:{name.partition('.')[0]}:{node.name}"
            if tokens != [wanted]:
                yield f"{path}: {node.name} has the type {tokens}, not {wanted}"


def pure_modules(sources: Sources) -> Iterator[str]:
    """Settings and arithmetic are used without an engine."""
    for path, name, imported in edges(sources):
        if name in PURE and within(
            imported, "pulumi", "pulumi_digitalocean", "pulumi_nomad", "pulumi_consul"
        ):
            yield f"{path} imports {imported}"


def lengths(sources: Sources) -> Iterator[str]:
    """A module is read in one go."""
    for path, text in sources.items():
        if (
            path.endswith(".py")
            and not path.startswith("tests/")
            and (count := len(text.splitlines())) > MAX_MODULE_LINES
        ):
            yield f"{path} has {count} lines; {MAX_MODULE_LINES} at most"


def top_levels(sources: Sources) -> Iterator[str]:
    """A package whose top level outgrows one screen gets packages."""
    for package, limit in MAX_TOP_LEVEL_MODULES.items():
        modules = [path for path in sources if re.fullmatch(rf"{package}/[^/]+\.py", path)]
        if len(modules) > limit:
            yield f"{package}/ has {len(modules)} modules at its top level; {limit} at most"


def columns(sources: Sources) -> Iterator[str]:
    """No line of code, prose or configuration is wider than 100 columns."""
    for path, text in sources.items():
        if Path(path).suffix in (
            ".py",
            ".md",
            ".toml",
            ".sh",
            ".yaml",
            ".yml",
            ".hcl",
        ) and not path.endswith("docs/coverage.md"):
            for number, line in enumerate(text.splitlines(), 1):
                if len(line) > MAX_COLUMNS and not re.search(r"https?://\S{60,}|^\|", line):
                    yield f"{path}:{number}: {len(line)} columns"


def trust(sources: Sources) -> Iterator[str]:
    """Nobody is trusted unproven."""
    yield from _lines(
        {path: text for path, text in sources.items() if not path.startswith("tests/")},
        TRUSTS_ANYONE,
        MAY_TRUST,
    )


def verified(sources: Sources) -> Iterator[str]:
    """Nothing of the product even has a switch by which certificates go unverified."""
    own = {path: text for path, text in sources.items() if path.startswith(IN_THE_PRODUCT)}
    yield from _lines(own, WITHOUT_TLS, MAY_TRUST)


def machine_paths(sources: Sources) -> Iterator[str]:
    """No path of the machine on which it was written."""
    yield from _lines(sources, MACHINE_PATH, MAY_NAME_PATHS)


def registries(sources: Sources) -> Iterator[str]:
    """Where packages come from is the machine's own business: neither the setting, nor the host that this machine uses."""
    values = (
        os.environ.get(name, "")
        for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "GOPROXY", "NPM_CONFIG_REGISTRY")
    )
    hosts = {
        host
        for value in values
        for url in re.split(r"[,|\s]", value)
        if (host := urlsplit(url).hostname) and "." in host
    }
    named = re.compile("|".join([REGISTRY.pattern, *map(re.escape, sorted(hosts))]))
    yield from _lines(sources, named, {"tests/test_architecture.py": "names what it looks for"})


def _lines(sources: Sources, pattern: re.Pattern[str], allowed: Mapping[str, str]) -> Iterator[str]:
    for path, text in sources.items():
        if path not in allowed:
            yield from (
                f"{path}:{number}: {line.strip()[:120]}"
                for number, line in enumerate(text.splitlines(), 1)
                if pattern.search(line)
            )


Rule = Callable[[Sources], Iterator[str]]

COMPONENT = "import pulumi\n\nclass {name}(pulumi.ComponentResource):\n    def __init__(self, name):\n        super().__init__('{token}', name)\n"
BROKEN: dict[Rule, list[Sources]] = {
    packages: [
        {"infra/edge.py": "from rehearsal.config import CloudConfig"},
        {"rehearsal/state/store.py": "def late():\n    import infra.settings"},
        {"jobs/edge_check.py": "from infra.cluster.readiness import Readiness"},
        {"deploy/stack.py": "from rehearsal import paths"},
        {"services/pack.py": "from toolchain.paths import cache_root"},
        {"images/base/scripts/install.py": "import services.pack"},
        {"__main__.py": "from services.prober import main"},
        {"toolchain/tools.py": "from rehearsal import paths"},
        {"jobs/services.py": "from tests.jobs import conftest"},
    ],
    services: [
        {"services/frontserve/main.py": "from services.backserve.main import build"},
        {"services/serving/http_service.py": "from services import prober"},
        {"services/serving/authorizer.py": "from services.connect import Mesh"},
        {"services/connect/mesh.py": "from services.backserve.main import build"},
        {"services/pack.py": "from services.serving import Serving"},
    ],
    rehearsal_layers: [
        {"rehearsal/state/store.py": "from rehearsal.api.worker import Worker"},
        {"rehearsal/catalog/images.py": "from rehearsal.state.records import Image"},
        {"rehearsal/network/metadata.py": "from rehearsal.machines.seed import VENDOR_DATA"},
        {"rehearsal/config.py": "from rehearsal.state.store import Store"},
        {"rehearsal/resources/tags/service.py": "from rehearsal.server import Api"},
        {"rehearsal/resources/tags/service.py": "from rehearsal.machines import nspawn"},
        {"rehearsal/server.py": "def late():\n    from rehearsal.lifecycle import clouds"},
    ],
    resources: [
        {
            "rehearsal/resources/tags/service.py": "from rehearsal.resources.droplets import service",
            "rehearsal/resources/droplets/service.py": "",
        },
        {
            "rehearsal/resources/tags/service.py": "from ..droplets import service",
            "rehearsal/resources/droplets/service.py": "",
        },
    ],
    services_without_http: [
        {"rehearsal/resources/tags/service.py": "from fastapi import HTTPException"}
    ],
    machine_kinds: [
        {
            "rehearsal/topology/network_reconciler.py": "from rehearsal.machines.nspawn import NspawnMachines"
        }
    ],
    provider_emulators: [
        {"rehearsal/plugins/rest.py": "from rehearsal.state.store import Store"},
        {"rehearsal/plugins/nomad/api.py": "from rehearsal.plugins.consul.api import Consul"},
        {"rehearsal/state/store.py": "from rehearsal.plugins.rest import Rest"},
    ],
    components: [
        {
            "infra/edge.py": "from infra.network import Network\n"
            + COMPONENT.format(name="Edge", token="slipway:infra:Edge"),
            "infra/network.py": COMPONENT.format(name="Network", token="slipway:infra:Network"),
        }
    ],
    type_tokens: [
        {"infra/edge.py": COMPONENT.format(name="Edge", token="slipway:jobs:Edge")},
        {"infra/edge.py": COMPONENT.format(name="Edge", token="slipway:infra:Border")},
        {"infra/edge.py": COMPONENT.format(name="Edge", token="custom:Edge")},
    ],
    pure_modules: [{"infra/settings.py": "import pulumi"}],
    top_levels: [{f"infra/module{n}.py": "" for n in range(27)}],
    lengths: [{"infra/edge.py": "x = 1\n" * (MAX_MODULE_LINES + 1)}],
    columns: [{"infra/edge.py": "x" * 101}, {"docs/tour.md": "word " * 21}],
    trust: [
        {"infra/cluster_api/members.py": "requests.get(url, verify=False)"},
        {"infra/cluster/providers.py": "Provider(skip_verify=True)"},
    ],
    verified: [
        {"infra/cluster/providers.py": "consul.Provider(insecure_https=settings.insecure)"},
        {"infra/settings.py": "nomad_skip_verify: bool = False"},
        {"jobs/job_builder.py": "{'TLSSkipVerify': trusting}"},
        {
            "images/base/files/usr/local/lib/slipway/nomad_rpc.py": "os.environ['NOMAD_SKIP_VERIFY'] = '1'"
        },
    ],
    machine_paths: [
        {"README.md": "cd /" + "work/main"},
        {"infra/image/base_image.py": "KEY = '/root/.ssh/id'"},
    ],
    registries: [
        {"requirements.txt": "--index-url https://packages.example/simple"},
        {"Makefile": "GOPROXY=https://modules.example go build"},
    ],
}


def _id(rule: Rule) -> str:
    return rule.__name__


@pytest.mark.parametrize("rule", BROKEN, ids=_id)
def test_rule_holds(sources: Sources, rule: Rule) -> None:
    offences = list(rule(sources))
    assert not offences, "\n".join([rule.__doc__ or "", *offences])


@pytest.mark.parametrize(
    ("rule", "broken"), [(rule, broken) for rule, examples in BROKEN.items() for broken in examples]
)
def test_rule_finds_violation(rule: Rule, broken: Sources) -> None:
    assert list(rule(broken))


def test_every_package_has_a_rule(sources: Sources) -> None:
    """A new folder of Python is either in the sources, with what it may import, or not there."""
    assert {name.partition(".")[0] for _, name, _ in modules(sources)} <= {"__main__", *PACKAGES}


def test_the_program_only_puts_components_together() -> None:
    """``__main__`` puts components together and holds none of their work."""
    assert len((ROOT / "__main__.py").read_text().splitlines()) <= 60

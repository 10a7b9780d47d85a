"""Architecture rules, checked against the source: import directions, sizes, names and security.

Each rule is a function that yields the violations in a source tree. A second test applies each
rule to small broken trees, so that a rule that finds nothing fails.
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
"""For modules outside tests."""

MAX_COLUMNS = 100

PACKAGES = ("infra", "jobs", "services", "images", "deploy", "rehearsal", "toolchain", "tests")
MAY_IMPORT = {
    "__main__": ("infra", "jobs", "services.pack"),
    "infra": ("infra", "services.packed_service"),
    "jobs": (
        "jobs",
        "infra.cluster_api",
        "infra.drift",
        "infra.settings",
        "infra.mtls",
        "services.packed_service",
        "services.duration",
    ),
    "services": ("services",),
    "images": (),
    "deploy": (
        "deploy",
        "infra.cluster_api",
        "infra.settings",
        "infra.mtls",
        "infra.names",
        "infra.digitalocean_api",
        "infra.image.api",
        "infra.image.claims",
        "infra.ssh",
        "infra.snapshot_encryption",
        "infra.state_format",
        "infra.backup.access",
        "infra.backup.archive",
        "infra.backup.contents",
        "infra.backup.taking",
    ),
    "rehearsal": ("rehearsal", "toolchain"),
    "toolchain": ("toolchain",),
}
"""Package -> packages and modules of this repository that it may import.

The Pulumi program and the rehearsal cloud communicate over HTTP only. Tests may import anything.
"""

MACHINE_IMPLEMENTATIONS = ("rehearsal.machines.nspawn", "rehearsal.machines.memory")
MAY_CHOOSE_MACHINES = ("rehearsal.server", "rehearsal.lifecycle.clouds")
"""``clouds`` stops the machines of a cloud whose server has ended."""

REHEARSAL_ROOT_MODULES = (
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
"""Modules that every package of rehearsal may import. They import only each other."""

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
"""Package -> lower packages that it may import besides itself and the root modules."""

MAX_TOP_LEVEL_MODULES = {"rehearsal": 12, "infra": 26, "jobs": 20, "deploy": 24, "toolchain": 14}
"""Package -> number of Python modules directly in it, including ``__init__``."""

EMULATED_PROVIDERS = {"digitalocean", "nomad", "consul", "random", "tls"}
PURE_MODULES = (
    "infra.settings",
    "infra.settings_input",
    "infra.addresses",
    "infra.cluster_api",
    "infra.user_data",
    "infra.mtls",
    "infra.names",
    "infra.digitalocean_api",
    "infra.image.api",
    "infra.image.claims",
    "infra.snapshot_encryption",
    "infra.state_format",
    "infra.backup.access",
    "infra.backup.archive",
    "infra.backup.contents",
    "infra.backup.messagepack",
    "infra.backup.taking",
    "jobs.services",
    "services.packed_service",
    "services.duration",
)
"""Modules that do not import Pulumi, so that they work without its engine."""

DISABLED_VERIFICATION = re.compile(
    r"\bverify=False|CERT_NONE|_create_unverified|skip_verify=True|skipVerify[\"']?: True"
    r"|InsecureSkipVerify: true|StrictHostKeyChecking.{1,5}no\b|--insecure"
    r"|--no-check-certificate|--allow-unauthenticated"
)
VERIFICATION_OPTION = re.compile(r"skip_?verify(?!=False)|insecure_?https", re.IGNORECASE)
"""Options that can disable verification. ``skip_verify=False`` is allowed: it enables it."""

MAY_DISABLE_VERIFICATION = {
    "services/prober/check.py": "a Consul check may set TLSSkipVerify",
    "rehearsal/plugins/rest.py": "the official plugins have the setting",
}
"""Path -> reason."""

PRODUCT_PATHS = ("infra/", "jobs/", "deploy/", "services/", "images/", "__main__.py")

LOCAL_PATH = re.compile(r"(?<![\w.$}>-])/(?:root|work|home|Users)/")
REGISTRY_SETTING = re.compile(
    r"--(?:extra-)?index-url|--find-links|--trusted-host"
    r"|GOPROXY ?=|GONOSUMDB|GOSUMDB ?=|PIP_INDEX_URL"
)
MAY_NAME_LOCAL_PATHS = {
    "images/base/scripts/clean-image.sh": "paths of the droplet, not of a developer's machine",
    "tests/test_architecture.py": "examples of violations",
}
"""Path -> reason."""

TEXT_SUFFIXES = {".py", ".md", ".toml", ".sh", ".yaml", ".yml", ".hcl"}
MAY_BE_WIDE = re.compile(r"https?://\S{60,}|^\|")
"""Long URLs and rows of Markdown tables: neither can be broken into several lines."""

Sources = Mapping[str, str]
"""Path in the repository -> text."""


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
    """Yield the path, dotted name and syntax tree of each Python file."""
    for path, text in sources.items():
        if path.endswith(".py"):
            yield (
                path,
                path.removesuffix(".py").removesuffix("/__init__").replace("/", "."),
                ast.parse(text, path),
            )


def imports(path: str, name: str, tree: ast.Module) -> set[str]:
    """Return the dotted names that a module imports, also inside functions.

    ``from infra import settings`` gives ``infra.settings``.
    """
    package = name if path.endswith("__init__.py") else name.rpartition(".")[0]
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = (
                resolve_name("." * node.level + (node.module or ""), package)
                if node.level
                else node.module
            )
            imported |= {f"{base}.{alias.name}" for alias in node.names}
    return imported


def within(name: str, *packages: str) -> bool:
    """Return whether a dotted name is one of the packages or inside one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def edges(sources: Sources) -> Iterator[tuple[str, str, str]]:
    """Yield the path, the importing module and the imported name of each import."""
    for path, name, tree in modules(sources):
        for imported in sorted(imports(path, name, tree)):
            yield path, name, imported


def package_imports(sources: Sources) -> Iterator[str]:
    """A package imports only what ``MAY_IMPORT`` lists; only tests import tests."""
    for path, name, imported in edges(sources):
        package = name.partition(".")[0]
        if package == "tests" or not within(imported, *PACKAGES):
            continue
        if not within(imported, *MAY_IMPORT[package]):
            allowed = ", ".join(MAY_IMPORT[package]) or "no other package"
            yield f"{path} imports {imported}; {package} may import {allowed}"


def service_imports(sources: Sources) -> Iterator[str]:
    """A service imports no other service; shared packages import no service."""
    shared = ("services.duration", "services.serving", "services.connect")
    for path, name, imported in edges(sources):
        if not within(name, "services") or not within(imported, "services"):
            continue
        package = ".".join(name.split(".")[:2])
        allowed = {
            "services": (),
            "services.pack": ("services.packed_service",),
            "services.serving": (package,),
            "services.connect": (package, "services.serving"),
        }.get(package, (package, *shared))
        if not within(imported, *allowed):
            yield f"{path} imports {imported}"


def rehearsal_layers(sources: Sources) -> Iterator[str]:
    """A package of rehearsal imports lower packages only; root modules import only each other."""
    for path, name, imported in edges(sources):
        if not within(name, "rehearsal") or not within(imported, "rehearsal"):
            continue
        importer, target = (f"{dotted}..".split(".")[1] for dotted in (name, imported))
        if importer in ("", "__main__", "plugins") or target in (importer, *REHEARSAL_ROOT_MODULES):
            continue
        if target not in REHEARSAL_LAYERS.get(importer, ()):
            yield f"{path} imports {imported}"


def resource_imports(sources: Sources) -> Iterator[str]:
    """A resource of the rehearsal API imports no other resource's package."""
    for path, name, imported in edges(sources):
        resource = ".".join(name.split(".")[:3])
        if (
            within(name, "rehearsal.resources")
            and within(imported, "rehearsal.resources")
            and _is_package(sources, ".".join(imported.split(".")[:3]))
            and not within(imported, resource)
        ):
            yield f"{path} imports {imported}, which belongs to another resource"


def _is_package(sources: Sources, dotted: str) -> bool:
    folder = dotted.replace(".", "/") + "/"
    return any(path.startswith(folder) for path in sources)


def http_imports(sources: Sources) -> Iterator[str]:
    """Only the routes of a resource import a web framework, not its service and schemas."""
    for path, name, imported in edges(sources):
        if (
            within(name, "rehearsal.resources")
            and not name.endswith(".routes")
            and within(imported, "fastapi", "starlette")
        ):
            yield f"{path} imports {imported}"


def machine_implementations(sources: Sources) -> Iterator[str]:
    """Only two modules import an implementation of machines; others use the protocol."""
    for path, name, imported in edges(sources):
        if within(imported, *MACHINE_IMPLEMENTATIONS) and not within(
            name, *MAY_CHOOSE_MACHINES, "tests"
        ):
            yield f"{path} imports {imported}"


def provider_emulators(sources: Sources) -> Iterator[str]:
    """A provider emulator uses a cloud over HTTP only and imports no other emulator."""
    for path, name, imported in edges(sources):
        if not within(name, "rehearsal.plugins"):
            forbidden = within(imported, "rehearsal.plugins") and not within(
                name, "rehearsal.commands.provider_emulators", "tests"
            )
        elif within(imported, "rehearsal.plugins"):
            importer, target = name.split(".")[2:3], imported.split(".")[2:3]
            forbidden = bool(importer) and importer != target and set(target) <= EMULATED_PROVIDERS
        else:
            forbidden = within(imported, "rehearsal", "toolchain")
        if forbidden:
            yield f"{path} imports {imported}"


def _components(tree: ast.Module) -> Iterator[ast.ClassDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(
            ast.unparse(base).rpartition(".")[2] == "ComponentResource" for base in node.bases
        ):
            yield node


def component_imports(sources: Sources) -> Iterator[str]:
    """A component module imports no other component; it receives arguments instead."""
    component_modules = {
        name for _, name, tree in modules(sources) if next(_components(tree), None)
    }
    for path, name, imported in edges(sources):
        others = component_modules - {name}
        if name in component_modules and within(imported, *others):
            yield f"{path} imports {imported}, another component"


def type_tokens(sources: Sources) -> Iterator[str]:
    """A component's type token is ``slipway:package:Class``; it is part of every URN."""
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
            expected = f"slipway:{name.partition('.')[0]}:{node.name}"
            if tokens != [expected]:
                yield f"{path}: {node.name} has the type {tokens}, not {expected}"


def pure_modules(sources: Sources) -> Iterator[str]:
    """The modules of ``PURE_MODULES`` import neither Pulumi nor a provider."""
    for path, name, imported in edges(sources):
        if name in PURE_MODULES and within(
            imported, "pulumi", "pulumi_digitalocean", "pulumi_nomad", "pulumi_consul"
        ):
            yield f"{path} imports {imported}"


def module_lengths(sources: Sources) -> Iterator[str]:
    """A module outside tests has at most 300 lines."""
    for path, text in sources.items():
        if (
            path.endswith(".py")
            and not path.startswith("tests/")
            and (count := len(text.splitlines())) > MAX_MODULE_LINES
        ):
            yield f"{path} has {count} lines; {MAX_MODULE_LINES} at most"


def package_sizes(sources: Sources) -> Iterator[str]:
    """A package has few modules directly in it; more need subpackages."""
    for package, limit in MAX_TOP_LEVEL_MODULES.items():
        count = sum(bool(re.fullmatch(rf"{package}/[^/]+\.py", path)) for path in sources)
        if count > limit:
            yield f"{package}/ has {count} modules at its top level; {limit} at most"


def line_widths(sources: Sources) -> Iterator[str]:
    """A line of code, prose or configuration has at most 100 columns."""
    for path, text in sources.items():
        if Path(path).suffix in TEXT_SUFFIXES:
            for number, line in enumerate(text.splitlines(), 1):
                if len(line) > MAX_COLUMNS and not MAY_BE_WIDE.search(line):
                    yield f"{path}:{number}: {len(line)} columns"


def enabled_verification(sources: Sources) -> Iterator[str]:
    """No code outside tests disables the verification of a peer or a signature."""
    outside_tests = {path: text for path, text in sources.items() if not path.startswith("tests/")}
    yield from _matching_lines(outside_tests, DISABLED_VERIFICATION, MAY_DISABLE_VERIFICATION)


def verification_options(sources: Sources) -> Iterator[str]:
    """The product has no option that disables the verification of certificates."""
    product = {path: text for path, text in sources.items() if path.startswith(PRODUCT_PATHS)}
    yield from _matching_lines(product, VERIFICATION_OPTION, MAY_DISABLE_VERIFICATION)


def local_paths(sources: Sources) -> Iterator[str]:
    """No file names a path of a developer's machine."""
    yield from _matching_lines(sources, LOCAL_PATH, MAY_NAME_LOCAL_PATHS)


def registries(sources: Sources) -> Iterator[str]:
    """No file sets a package registry or names one that this machine uses."""
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
    pattern = re.compile("|".join([REGISTRY_SETTING.pattern, *map(re.escape, sorted(hosts))]))
    allowed = {"tests/test_architecture.py": "contains the pattern"}
    yield from _matching_lines(sources, pattern, allowed)


def _matching_lines(
    sources: Sources, pattern: re.Pattern[str], allowed: Mapping[str, str]
) -> Iterator[str]:
    for path, text in sources.items():
        if path not in allowed:
            yield from (
                f"{path}:{number}: {line.strip()[:120]}"
                for number, line in enumerate(text.splitlines(), 1)
                if pattern.search(line)
            )


Rule = Callable[[Sources], Iterator[str]]

COMPONENT = """\
import pulumi

class {name}(pulumi.ComponentResource):
    def __init__(self, name):
        super().__init__('{token}', name)
"""
BROKEN_EXAMPLES: dict[Rule, list[Sources]] = {
    package_imports: [
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
    service_imports: [
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
    resource_imports: [
        {
            "rehearsal/resources/tags/service.py": (
                "from rehearsal.resources.droplets import service"
            ),
            "rehearsal/resources/droplets/service.py": "",
        },
        {
            "rehearsal/resources/tags/service.py": "from ..droplets import service",
            "rehearsal/resources/droplets/service.py": "",
        },
    ],
    http_imports: [{"rehearsal/resources/tags/service.py": "from fastapi import HTTPException"}],
    machine_implementations: [
        {
            "rehearsal/topology/network_reconciler.py": (
                "from rehearsal.machines.nspawn import NspawnMachines"
            )
        }
    ],
    provider_emulators: [
        {"rehearsal/plugins/rest.py": "from rehearsal.state.store import Store"},
        {"rehearsal/plugins/nomad/api.py": "from rehearsal.plugins.consul.api import Consul"},
        {"rehearsal/state/store.py": "from rehearsal.plugins.rest import Rest"},
    ],
    component_imports: [
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
    package_sizes: [{f"infra/module{n}.py": "" for n in range(27)}],
    module_lengths: [{"infra/edge.py": "x = 1\n" * (MAX_MODULE_LINES + 1)}],
    line_widths: [{f"docs/tour{suffix}": "word " * 21} for suffix in sorted(TEXT_SUFFIXES)],
    enabled_verification: [
        {"infra/cluster_api/members.py": "requests.get(url, verify=False)"},
        {"infra/cluster/providers.py": "Provider(skip_verify=True)"},
    ],
    verification_options: [
        {"infra/cluster/providers.py": "consul.Provider(insecure_https=settings.insecure)"},
        {"infra/settings.py": "nomad_skip_verify: bool = False"},
        {"jobs/job_builder.py": "{'TLSSkipVerify': trusting}"},
        {
            "images/base/files/usr/local/lib/slipway/nomad_rpc.py": (
                "os.environ['NOMAD_SKIP_VERIFY'] = '1'"
            )
        },
    ],
    local_paths: [
        {"README.md": "cd /" + "work/main"},
        {"infra/image/base_image.py": "KEY = '/root/.ssh/id'"},
    ],
    registries: [
        {"requirements.txt": "--index-url https://packages.example/simple"},
        {"Makefile": "GOPROXY=https://modules.example go build"},
    ],
}


@pytest.mark.parametrize("rule", BROKEN_EXAMPLES, ids=lambda rule: rule.__name__)
def test_rule_holds(sources: Sources, rule: Rule) -> None:
    violations = list(rule(sources))
    assert not violations, "\n".join([rule.__doc__ or "", *violations])


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        pytest.param(rule, broken, id=f"{rule.__name__}-{number}")
        for rule, examples in BROKEN_EXAMPLES.items()
        for number, broken in enumerate(examples, 1)
    ],
)
def test_rule_finds_violation(rule: Rule, broken: Sources) -> None:
    assert list(rule(broken))


def test_every_package_has_an_import_rule(sources: Sources) -> None:
    assert {name.partition(".")[0] for _, name, _ in modules(sources)} <= {"__main__", *PACKAGES}


def test_the_program_is_short() -> None:
    """``__main__`` creates and connects components; their code is in ``infra`` and ``jobs``."""
    assert len((ROOT / "__main__.py").read_text().splitlines()) <= 60

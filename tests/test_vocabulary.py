"""Identifiers use the standard terms of Pulumi, Nomad, Consul, DigitalOcean and Python.

The test reads the syntax trees, so that prose and strings are not affected.
"""

import ast
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

REPLACED_TERMS: Mapping[str, str] = {
    # any identifier -> the term to use instead
    **dict.fromkeys(("Mould", "mould"), "DropletTemplate"),
    "guarded_by": "depends_on",
    **dict.fromkeys(("Flight", "flight"), "Context"),
    **dict.fromkeys(("told", "_told"), "the thing itself: user_data, message, lines"),
    **dict.fromkeys(("known", "_known"), "resolved"),
    **dict.fromkeys(("begun", "asked"), "the thing itself: bootstrap, args"),
    **dict.fromkeys(("tenants", "tenant", "tenancy"), "cluster_providers, child_options"),
    "Trust": "ClusterCredentials",
    "furnish": "ensure_acl",
    "succeed": "rotate_management_tokens",
    "settle": "wait_and_revoke, reconcile",
    "unless_skipped": "apply_if_created",
    **dict.fromkeys(("welcome", "drains"), "set_eligible, is_draining"),
    **dict.fromkeys(
        ("ASKING", "ANSWERING", "LEAVING", "GREETING", "WORKING", "PACE", "PATIENCE"),
        "*_TIMEOUT_S, POLL_INTERVAL_S, MAX_ATTEMPTS",
    ),
    **dict.fromkeys(("Patience", "patience"), "Retrier, retrier"),
    **dict.fromkeys(("DoubtError", "BrokenError"), "RejectedError, ConnectionLostError"),
    **dict.fromkeys(("TAKEN", "KEPT"), "RESERVED_RANGES, RESERVED_ADDRESSES"),
    **dict.fromkeys(("_together", "Fault"), "cross_field_checks, Problem"),
    **dict.fromkeys(("Place", "WRITES", "NAMES"), "JobDefaults, NODE_WRITES, CONSUL_SERVICES"),
    **dict.fromkeys(("Reach", "remains", "Thing"), "RemoteAccess, orphans, CloudResource"),
    **dict.fromkeys(("attended", "hear", "keeper", "opened"), "foreground, on_signal, secrets_url"),
    "MARK": "SECRET_SIGNATURE",
    **dict.fromkeys(("rooms", "room", "ROOMS"), "resources"),
    **dict.fromkeys(("shapes", "facts"), "schemas, validation"),
    **dict.fromkeys(("Door", "SmallBodies"), "AuthMiddleware, BodyLimit"),
    **dict.fromkeys(("Fabric", "fabric", "NetworkKeeper"), "NetworkState, NetworkReconciler"),
    **dict.fromkeys(("teach", "learn", "promise"), "register_handlers, register, create_action"),
    **dict.fromkeys(("DOOMED", "WENT_OFF", "CAME_ON"), "DESTROY, POWER_OFF, POWER_ON"),
    **dict.fromkeys(("leftovers", "emptying", "left_out"), "leak_check, reset, unsupported"),
    **dict.fromkeys(("discarding", "transferring"), "image_deletion, image_transfer"),
    **dict.fromkeys(("Contents", "Claim", "Asked", "Known"), "BlobStore, SignatureClaims, ..."),
    "ConfusedError": "MalformedRequestError",
    **dict.fromkeys(("seats", "shut", "erase"), "cpu_affinity, harden_sshd, erase_cloud_init"),
    **dict.fromkeys(("ailment", "Gate", "remarkable"), "health_problem, Authorizer, should_log"),
    **dict.fromkeys(("stand_in", "stand_ins"), "provider emulator"),
    **dict.fromkeys(("verbs", "twin", "victim", "victims"), "commands, control, target"),
    **dict.fromkeys(("floor", "house"), "baseline, architecture"),
}

ALLOWED: Mapping[tuple[str, str], str] = {
    ("tests/stack/attacks/mesh.py", "GREETING"): "the stack's setting `greeting`, not a timeout",
    ("tests/stack/faulty_api.py", "Fault"): "a fault as in fault injection",
    ("tests/stack/test_faults.py", "Fault"): "a fault as in fault injection",
}
"""Path and identifier -> the reason why it stays."""


def identifiers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and name of each definition, parameter, variable, attribute and import."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name):
                yield node.lineno, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield node.lineno, name
            case ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.keyword(arg=str(name)):
                yield node.lineno, name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                for alias in aliases:
                    yield node.lineno, alias.asname or alias.name.rpartition(".")[2]


def replaced_terms(path: str, text: str) -> list[str]:
    """Return a line for each replaced term that is an identifier in ``text``."""
    return [
        f"{path}:{line}: {name}; use {REPLACED_TERMS[name]}"
        for line, name in identifiers(ast.parse(text, path))
        if name in REPLACED_TERMS and (path, name) not in ALLOWED
    ]


@pytest.fixture(scope="module")
def modules() -> dict[str, str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    files = [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    return {name: (ROOT / name).read_text() for name in files}


def test_no_module_uses_a_replaced_term(modules: Mapping[str, str]) -> None:
    found = [line for path, text in modules.items() for line in replaced_terms(path, text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "def furnish() -> None: ...",
        "class Mould: ...",
        "fabric = 1",
        "def run(told: str) -> None: ...",
        "from rehearsal import leftovers",
        "store.settle()",
        "run(tenant=1)",
    ],
)
def test_a_replaced_term_is_found(text: str) -> None:
    assert len(replaced_terms("module.py", text)) == 1


def test_every_allowed_identifier_is_still_used(modules: Mapping[str, str]) -> None:
    for path, name in ALLOWED:
        assert name in {found for _, found in identifiers(ast.parse(modules[path]))}, (path, name)

"""Searches for every secret value where an attacker might read it."""

import json
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.local_processes import NOBODY
from tests.stack.attacks.target import Target

JOURNAL = (
    "journalctl --no-pager --quiet --output=cat; find /var/log -type f -name '*.log' -exec cat {} +"
)
COMMAND_LINES = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; true"
READABLE_FILES = (
    "find / -xdev"
    " \\( -path /proc -o -path /sys -o -path /dev -o -path /usr -o -path /run/udev \\) -prune"
    " -o -type f -readable -size -512k -print0 2>/dev/null"
    " | xargs -0 cat 2>/dev/null | tr -cd '[:print:]\\n'; true"
)
"""The text of all files that user nobody can read. The search of the image covers /usr."""
MIN_TEXT_CHARS = 100


def search_text(secrets: Iterable[str], text: str, place: str) -> Outcome:
    """Count the secrets in ``text``; the detail never shows them."""
    secrets = list(secrets)
    count = sum(secret in text for secret in secrets)
    assert len(text) > MIN_TEXT_CHARS, f"nothing to search in {place}: {text!r}"
    detail = f"{count or 'none'} of {len(secrets)} in {len(text)} characters of {place}"
    return Outcome(count > 0, detail)


def search_files(secrets: Iterable[str], paths: Iterable[Path], place: str) -> Outcome:
    """Search all files below ``paths``, binary ones too. A file may vanish during the search."""
    secrets, names = list(secrets), [str(path) for path in paths if path.exists()]
    assert names, f"nothing to search in {place}"
    command = [
        "grep",
        "--recursive",
        "--devices=skip",
        "--binary-files=text",
        "--fixed-strings",
        "--files-with-matches",
        "--file=-",
        "--",
        *names,
    ]
    search = subprocess.run(
        command, input="\n".join(secrets), capture_output=True, text=True, check=False
    )
    errors = [
        line
        for line in search.stderr.splitlines()
        if not line.endswith(": No such file or directory")
    ]
    assert not errors, errors
    matches = search.stdout.splitlines()
    count = "one" if matches else "none"
    return Outcome(bool(matches), f"{count} of {len(secrets)} in {place}: {matches[:10]}")


def _on_machines(command: str, place: str, user: str = "root") -> Callable[[Target], Outcome]:
    def run(target: Target) -> Outcome:
        text = "".join(machine.shell.run(command, user) for machine in target.machines)
        return search_text(target.secrets, text, f"{place} of {len(target.machines)} machines")

    return run


def _in_stored_files(kind: str, place: str) -> Callable[[Target], Outcome]:
    return lambda target: search_files(target.secrets, target.stored_files[kind], place)


def _in_cloud(target: Target) -> Outcome:
    """The cloud knows user_data, hence the first boot's keys, and no later secret."""
    return search_files(
        target.secrets - target.user_data_secrets,
        target.stored_files["cloud"],
        "the cloud's logs and database",
    )


def _in_user_data(target: Target) -> Outcome:
    return search_text(
        target.secrets - target.user_data_secrets,
        "".join(target.user_data),
        "user_data, besides the first boot's keys",
    )


def _in_local_command_lines(target: Target) -> Outcome:
    """The machines' processes are visible among this machine's."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_text(errors="replace"))
        except OSError:  # the process has ended
            continue
    return search_text(target.secrets, "\n".join(lines), "this machine's command lines")


def _in_jobs(target: Target) -> Outcome:
    names = [job["ID"] for job in target.nomad_as_manager("/v1/jobs").json]
    text = "".join(
        target.nomad_as_manager(path).text
        for name in names
        for path in (f"/v1/job/{name}", f"/v1/job/{name}/allocations")
    )
    return search_text(target.secrets, text, f"the definitions of {len(names)} jobs")


def _in_catalog(target: Target) -> Outcome:
    paths = [
        "/v1/catalog/nodes",
        "/v1/health/state/any",
        "/v1/config/service-defaults",
        "/v1/config/service-intentions",
    ]
    services = target.consul_as_manager("/v1/catalog/services").json
    paths += [f"/v1/catalog/service/{name}" for name in services]
    text = "".join(target.consul_as_manager(path).text for path in paths)
    return search_text(target.secrets, text, f"the catalog of {len(services)} services")


def _in_command_output(target: Target) -> Outcome:
    return search_text(target.secrets, target.command_output(), "the commands' output")


def _in_artifacts(target: Target) -> Outcome:
    """Search the objects that everybody may read."""
    sources = [
        artifact["GetterSource"]
        for job in target.nomad_as_manager("/v1/jobs").json
        for group in target.nomad_as_manager(f"/v1/job/{job['ID']}").json["TaskGroups"]
        for task in group["Tasks"]
        for artifact in task["Artifacts"] or ()
    ]
    contents = {source: _read_object(target, source) for source in sources}
    return search_text(target.secrets, json.dumps(contents), f"{len(contents)} artifacts")


def _read_object(target: Target, url: str) -> str:
    _, _, _, bucket, key = url.split("/", 4)
    body = target.spaces.get_object(Bucket=bucket, Key=key)["Body"]
    return body.read().decode(errors="replace")


NONE = "^none of [1-9]"
NOT_THERE = "no secret is there"
ENCRYPTED = "Pulumi's encryption of secrets"
PERMISSIONS = "file permissions"
ATTACKS = [
    Attack(
        "Find a secret in the stack's state file",
        _in_stored_files("state", "the state"),
        NONE,
        ENCRYPTED,
    ),
    Attack("Find a secret in the output of Pulumi and deploy", _in_command_output, NONE, ENCRYPTED),
    Attack(
        "Find a secret in the checkout",
        _in_stored_files("checkout", "the checkout"),
        NONE,
        NOT_THERE,
    ),
    Attack(
        "Find a secret in the base image", _in_stored_files("image", "the image"), NONE, NOT_THERE
    ),
    Attack("Find a secret in the cloud's logs and database", _in_cloud, NONE, NOT_THERE),
    Attack("Find a secret of lasting use in user_data", _in_user_data, NONE, NOT_THERE),
    Attack(
        "Find a secret in a machine's journal",
        _on_machines(JOURNAL, "the journals"),
        NONE,
        NOT_THERE,
    ),
    Attack(
        "As user nobody on a machine: find a secret in a command line",
        _on_machines(COMMAND_LINES, "command lines", NOBODY),
        NONE,
        NOT_THERE,
    ),
    Attack(
        "On the machine that deploys: find a secret in a command line",
        _in_local_command_lines,
        NONE,
        NOT_THERE,
    ),
    Attack(
        "As user nobody on a machine: find a secret in a file",
        _on_machines(READABLE_FILES, "readable files", NOBODY),
        NONE,
        PERMISSIONS,
    ),
    Attack("Find a secret in a job's definition", _in_jobs, NONE, NOT_THERE),
    Attack("Find a secret in Consul's catalog", _in_catalog, NONE, NOT_THERE),
    Attack("Find a secret in an artifact", _in_artifacts, NONE, NOT_THERE),
]

"""Every secret's own value, looked for wherever it might have got to."""

import json
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.local_processes import NOBODY
from tests.stack.attacks.target import Victim

JOURNAL = (
    "journalctl --no-pager --quiet --output=cat; find /var/log -type f -name '*.log' -exec cat {} +"
)
COMMAND_LINES = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; true"
READABLE = (
    "find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /usr -o -path /run/udev \\) -prune"
    " -o -type f -readable -size -512k -print0 2>/dev/null | xargs -0 cat 2>/dev/null | tr -cd '[:print:]\\n'; true"
)
"""Of what nobody may read, all text; the image's own part, /usr, is looked through on the image."""


def within_text(secrets: Iterable[str], text: str, where: str) -> Outcome:
    """How many of the secrets are there; which, nobody is told."""
    secrets = list(secrets)
    count = sum(secret in text for secret in secrets)
    assert len(text) > 100, f"there is nothing in {where}: {text!r}"
    return Outcome(
        count > 0, f"{count or 'none'} of {len(secrets)} in {len(text)} characters of {where}"
    )


def within_files(secrets: Iterable[str], paths: Iterable[Path], where: str) -> Outcome:
    """As of text; in all files below the paths, whatever they hold."""
    secrets, names = list(secrets), [str(path) for path in paths]
    assert names, f"{where} is empty"
    looked = [
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
    found = subprocess.run(
        looked, input="\n".join(secrets), capture_output=True, text=True, check=False
    )
    assert found.returncode in (0, 1), found.stderr
    matching = found.stdout.splitlines()
    return Outcome(
        bool(matching),
        f"{'one' if matching else 'none'} of {len(secrets)} in {where}: {matching[:10]}",
    )


def _on_machines(command: str, where: str, user: str = "root") -> Callable[[Victim], Outcome]:
    def run(victim: Victim) -> Outcome:
        text = "".join(machine.shell.run(command, user) for machine in victim.machines)
        return within_text(victim.secrets, text, f"{where} of {len(victim.machines)} machines")

    return run


def _kept(kind: str, where: str) -> Callable[[Victim], Outcome]:
    return lambda victim: within_files(victim.secrets, victim.kept[kind], where)


def _cloud(victim: Victim) -> Outcome:
    """It knows user_data, and so the first boot's keys; nothing that comes later."""
    return within_files(
        victim.secrets - victim.first_keys, victim.kept["cloud"], "the cloud's logs and database"
    )


def _user_data(victim: Victim) -> Outcome:
    return within_text(
        victim.secrets - victim.first_keys,
        "".join(victim.user_data),
        "user_data, besides the first boot's keys",
    )


def _here(victim: Victim) -> Outcome:
    """The machines' processes are among this machine's own."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_text(errors="replace"))
        except OSError:  # it has ended meanwhile
            continue
    return within_text(victim.secrets, "\n".join(lines), "this machine's command lines")


def _jobs(victim: Victim) -> Outcome:
    names = [job["ID"] for job in victim.nomad_manager("/v1/jobs").json]
    text = "".join(
        victim.nomad_manager(path).text
        for name in names
        for path in (f"/v1/job/{name}", f"/v1/job/{name}/allocations")
    )
    return within_text(victim.secrets, text, f"the texts of {len(names)} jobs")


def _catalogue(victim: Victim) -> Outcome:
    paths = [
        "/v1/catalog/nodes",
        "/v1/health/state/any",
        "/v1/config/service-defaults",
        "/v1/config/service-intentions",
    ]
    services = victim.manager("/v1/catalog/services").json
    text = "".join(
        victim.manager(path).text
        for path in (*paths, *(f"/v1/catalog/service/{name}" for name in services))
    )
    return within_text(victim.secrets, text, f"the catalogue of {len(services)} services")


def _told(victim: Victim) -> Outcome:
    return within_text(victim.secrets, victim.told(), "what is printed")


def _stored(victim: Victim) -> Outcome:
    """All objects that anybody may read."""
    sources = [
        artifact["GetterSource"]
        for job in victim.nomad_manager("/v1/jobs").json
        for group in victim.nomad_manager(f"/v1/job/{job['ID']}").json["TaskGroups"]
        for each in group["Tasks"]
        for artifact in each["Artifacts"] or ()
    ]
    contents = {source: _fetched(victim, source) for source in sources}
    return within_text(victim.secrets, json.dumps(contents), f"{len(contents)} artifacts")


def _fetched(victim: Victim, url: str) -> str:
    _, _, _, bucket, key = url.split("/", 4)
    return victim.store.get_object(Bucket=bucket, Key=key)["Body"].read().decode(errors="replace")


NONE = "^none of [1-9]"
ATTACKS = [
    Attack("The state, as it is kept, tells a secret", _kept("state", "the state"), NONE),
    Attack("What is printed about the stack tells a secret", _told, NONE),
    Attack(
        "The checkout from which it was made tells a secret",
        _kept("checkout", "the checkout"),
        NONE,
    ),
    Attack("The image of its machines tells a secret", _kept("image", "the image"), NONE),
    Attack("The cloud's logs and database tell a secret", _cloud, NONE),
    Attack("user_data tells a secret that is of use later", _user_data, NONE),
    Attack("A machine's journal tells a secret", _on_machines(JOURNAL, "the journals"), NONE),
    Attack(
        "A command line tells a secret to who is nobody on a machine",
        _on_machines(COMMAND_LINES, "command lines", NOBODY),
        NONE,
    ),
    Attack("A command line tells a secret to who deploys from the same machine", _here, NONE),
    Attack(
        "A file tells a secret to who is nobody on a machine",
        _on_machines(READABLE, "readable files", NOBODY),
        NONE,
    ),
    Attack("The text of a job tells a secret", _jobs, NONE),
    Attack("The catalogue tells a secret", _catalogue, NONE),
    Attack("An artifact tells a secret to who downloads it", _stored, NONE),
]

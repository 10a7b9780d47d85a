"""Ways into a running stack: a shell on a droplet, what was logged, and a shell for the clients of its cluster."""

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy import cluster, foreground, logs, shell, ssh, stack, status
from deploy.account import Account, Droplet
from deploy.cluster import Cluster
from deploy.pulumi_cli import PulumiCli
from deploy.stack import UsageError


@dataclass(frozen=True)
class RemoteAccess:
    """The stack ``name`` of the program in ``directory``. All that is asked for by a name which is not there raises UsageError."""

    name: str
    directory: Path
    engine: PulumiCli

    def ssh(self, droplet: str, words: Sequence[str]) -> int:
        """Run ``words`` on a droplet, or a shell; the exit code is theirs, or ssh's own 255."""
        droplets = self._droplets()
        if droplet not in droplets:
            raise UsageError(_no_such(droplet, "droplet", droplets))
        return self._on(droplets[droplet], words)

    def logs(
        self,
        thing: str,
        lines: int,
        follow: bool,
        tell: Callable[[str], None],
        warn: Callable[[str], None],
    ) -> int:
        """The journal of a droplet, or what a job's instances wrote, which ``tell`` takes."""
        droplets = self._droplets()
        if thing in droplets:
            return self._on(droplets[thing], logs.journal(lines, follow))
        running = Cluster.of_outputs(stack.outputs(self.name, self.engine, self.directory))
        jobs = [job.name for job in running.jobs()]
        if thing not in jobs:
            raise UsageError(_no_such(thing, "droplet or job", [*droplets, *jobs]))
        written = logs.JobLogs(running, thing, tell, warn)
        (written.follow if follow else written.show)(lines)
        return 0

    def shell(self, words: Sequence[str]) -> int:
        """Run ``words``, or the user's shell, as the cluster's operator; the exit code is theirs."""
        return shell.run(
            cluster.access(stack.outputs(self.name, self.engine, self.directory)), words
        )

    def _on(self, droplet: Droplet, words: Sequence[str]) -> int:
        line = ssh.known_host(droplet, stack.resources(self.name, self.engine, self.directory))
        with (
            foreground.runner() as run,
            tempfile.NamedTemporaryFile("w", prefix="known-hosts-") as file,
        ):
            file.write(line)
            file.flush()
            return run(ssh.command(droplet, Path(file.name), words), os.environ)

    def _droplets(self) -> dict[str, Droplet]:
        return {
            one.name: one
            for one in Account().droplets(status.tags(stack.project(self.directory), self.name))
        }


def _no_such(name: str, kind: str, names: Iterable[str]) -> str:
    there = ", ".join(names) or "none"
    return f"there is no {kind} {name}; there are: {there}" if name else f"name a {kind}: {there}"

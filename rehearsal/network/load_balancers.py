"""HAProxy behind the load balancers: its configuration from the fabric, and a change of it that drops no request.

Every change is a reload: a new process takes over the listening sockets from the old one, which finishes the
requests it has. HAProxy would take a server as up until a check fails, while a balancer sends no request to a
target that has not passed its checks. So each start reads a state file written here, in which every target is
down except those that the process before has proven.
"""

import asyncio
import logging
import os
import signal
from ipaddress import IPv4Address
from pathlib import Path

from rehearsal.config import CloudConfig
from rehearsal.network.haproxy import render
from rehearsal.subprocesses import CommandError, run
from rehearsal.topology.protocol import LoadBalancer, NetworkState

log = logging.getLogger("rehearsal")

STATE_HEADER = (
    "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight "
    "srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state "
    "bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr "
    "srv_agent_addr srv_agent_port\n"
)
"""Version and columns of HAProxy's state file, as ``show servers state`` prints them."""

STATE = "0 {pool} 0 {target} {target} {known} 6 0 0 0 - {port} - 0 0 - - 0"
"""One target; ``known`` is ``{operation} 0 1 1 0 {status} {result} {health}`` of its check, all else is as configured."""

UNPROVEN = "0 0 1 1 0 1 0 0"
"""What is known of a target that has passed no check yet: stopped, no result."""

POOL, TARGET = 1, 3
KNOWN = slice(5, 13)
RUNNING = "2"


class LoadBalancers:
    """The one HAProxy process of a cloud. It outlives the API server and is found again by its configuration file."""

    def __init__(self, config: CloudConfig) -> None:
        self._config = config
        self._netns = config.netns
        self._directory = config.directory / "balancer"
        self._file = self._directory / "haproxy.cfg"
        self._pid = self._directory / "pid"
        self._state = self._directory / "state"
        self._socket = self._directory / "socket"
        self._one_at_a_time = asyncio.Lock()

    async def apply(self, network_state: NetworkState) -> None:
        """Serve the balancers of ``network_state``, whose addresses the namespace must have; returns once they listen.

        One that HAProxy cannot be told of, or refuses, is left out: the others share the process, not its faults.

        Raises:
            CommandError: HAProxy refused all the same; the process before goes on, and the next call tries again.
        """
        async with self._one_at_a_time:
            balancers = [
                balancer for balancer in network_state.load_balancers if self._is_told(balancer)
            ]
            try:
                await self._serve(balancers)
            except CommandError:
                sound = [balancer for balancer in balancers if await self._is_sound(balancer)]
                if sound == balancers:
                    raise
                await self._serve(sound)

    async def stop(self) -> None:
        """End every process, those that still finish requests as well; returns once they are gone."""
        async with self._one_at_a_time:
            await self._end()

    async def find_serving_targets(self) -> dict[str, set[IPv4Address]]:
        """The targets that receive requests, by balancer; a balancer without any is missing."""
        serving: dict[str, set[IPv4Address]] = {}
        for (pool, target), known in (await self._known()).items():
            if known.split()[0] == RUNNING:
                serving.setdefault(pool, set()).add(IPv4Address(target))
        return serving

    async def _serve(self, balancers: list[LoadBalancer]) -> None:
        """Raises: CommandError"""
        if not balancers:
            await self._end()
            return
        text = self._render(balancers)
        running = self._current()
        if running and self._file.exists() and self._file.read_text() == text:
            return
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._state.write_text(_states(balancers, await self._known()))
        self._file.write_text(text)
        takeover = ["-x", str(self._socket), "-sf", str(running)] if running else []
        try:
            await run(
                "ip",
                "netns",
                "exec",
                self._netns,
                "haproxy",
                "-D",
                "-f",
                self._file,
                "-p",
                self._pid,
                *takeover,
            )
        except BaseException:
            self._file.write_text("")  # what runs is not what was asked for
            raise

    def _is_told(self, balancer: LoadBalancer) -> bool:
        try:
            render(self._config, balancer)
        except ValueError as error:
            log.error("load balancer %s is left out: %s", balancer.id, error)
            return False
        return True

    async def _is_sound(self, balancer: LoadBalancer) -> bool:
        """Whether HAProxy takes its configuration when it is alone."""
        alone = self._directory / "alone.cfg"
        alone.write_text(self._render([balancer]))
        try:
            await run("haproxy", "-c", "-f", alone)
        except CommandError as error:
            log.error("load balancer %s is left out: %s", balancer.id, error)
            return False
        finally:
            alone.unlink()
        return True

    async def _end(self) -> None:
        for pid in self._pids():
            os.kill(pid, signal.SIGTERM)
        while self._pids():
            await asyncio.sleep(0.02)
        self._file.unlink(missing_ok=True)

    def _current(self) -> int | None:
        """The process that listens; None if there is none."""
        pid = int(self._pid.read_text()) if self._pid.exists() else None
        return pid if pid in self._pids() else None

    def _pids(self) -> list[int]:
        """Our processes: those that were started with our configuration file."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = entry.read_bytes().split(b"\0")
            except OSError:
                continue  # it has ended since
            if words[0] == b"haproxy" and os.fsencode(self._file) in words:
                found.append(int(entry.parent.name))
        return found

    async def _known(self) -> dict[tuple[str, str], str]:
        """What the running process has found of each target, by balancer and address; nothing if none runs."""
        if not self._current():
            return {}
        reader, writer = await asyncio.open_unix_connection(self._socket)
        writer.write(b"show servers state\n")
        lines = (await reader.read()).decode().splitlines()
        writer.close()
        await writer.wait_closed()
        rows = [line.split() for line in lines[2:] if line]
        rows = [row for row in rows if ":" not in row[POOL]]  # a listener follows its pool
        return {(row[POOL], row[TARGET]): " ".join(row[KNOWN]) for row in rows}

    def _render(self, balancers: list[LoadBalancer]) -> str:
        return "\n".join(
            [
                "global",
                f"  stats socket {self._socket} mode 600 level admin expose-fd listeners",
                f"  server-state-file {self._state}",
                "  nbthread 1",
                f"  hard-stop-after {max(balancer.idle_seconds for balancer in balancers)}s",
                "defaults",
                "  load-server-state-from-file global",
                "  timeout connect 5s",
                *(line for balancer in balancers for line in render(self._config, balancer)),
                "",
            ]
        )


def _states(balancers: list[LoadBalancer], known: dict[tuple[str, str], str]) -> str:
    """The state file: what was known of each target; a new one is unproven."""
    text = STATE_HEADER
    for balancer in balancers:
        for target in balancer.targets:
            found = known.get((balancer.id, str(target)), UNPROVEN)
            text += (
                STATE.format(
                    pool=balancer.id, target=target, known=found, port=balancer.health_check.port
                )
                + "\n"
            )
    return text

"""HAProxy as the load balancers: configured from the network state, changed without lost requests.

Every change is a reload. A new process takes over the listening sockets, and the old one finishes
its requests. HAProxy treats a server as up until a check fails, but a load balancer sends no
request to a target before it has passed its checks. So each start reads a state file written here.
In it every target is down, except those that have passed the checks of the former process.
"""

import asyncio
import logging
import os
import signal
from ipaddress import IPv4Address
from pathlib import Path

from rehearsal.config import CloudConfig
from rehearsal.network.haproxy import render
from rehearsal.polling import wait_until_async
from rehearsal.subprocesses import CommandError, run
from rehearsal.topology.protocol import LoadBalancer, NetworkState

log = logging.getLogger("rehearsal")

STATE_HEADER = (
    "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight "
    "srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health "
    "srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord "
    "srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port\n"
)
"""Version and columns of HAProxy's state file, as ``show servers state`` prints them."""

STATE_LINE = "0 {pool} 0 {target} {target} {check} 6 0 0 0 - {port} - 0 0 - - 0"
"""One target; ``check`` is ``{operation} 0 1 1 0 {status} {result} {health}``. The other columns
have the configured values."""

UNCHECKED = "0 0 1 1 0 1 0 0"
"""The ``check`` of a target without a check result: stopped."""

POOL_COLUMN, TARGET_COLUMN = 1, 3
CHECK_COLUMNS = slice(5, 13)
RUNNING = "2"
STOP_TIMEOUT_S = 600
"""Longer than any request may take: processes that finish requests are waited for."""


class LoadBalancers:
    """The HAProxy process of a cloud; it outlives the API, which finds it by its configuration."""

    def __init__(self, config: CloudConfig) -> None:
        self._config = config
        self._netns = config.netns
        self._directory = config.directory / "balancer"
        self._file = self._directory / "haproxy.cfg"
        self._pid = self._directory / "pid"
        self._state = self._directory / "state"
        self._socket = self._directory / "socket"
        self._lock = asyncio.Lock()

    async def apply(self, network_state: NetworkState) -> None:
        """Serve the load balancers of ``network_state``; return once they listen.

        Their addresses must exist. A balancer with an invalid configuration is skipped, so that it
        does not affect the others.

        Raises:
            CommandError: HAProxy does not start; the former process continues, and the next call
                tries again.
        """
        async with self._lock:
            balancers = [
                balancer
                for balancer in network_state.load_balancers
                if self._is_renderable(balancer)
            ]
            try:
                await self._serve(balancers)
            except CommandError:
                valid = [balancer for balancer in balancers if await self._is_valid(balancer)]
                if valid == balancers:
                    raise
                await self._serve(valid)

    async def stop(self) -> None:
        """Stop every process, including those that finish requests; return once they have ended."""
        async with self._lock:
            await self._stop()

    async def find_serving_targets(self) -> dict[str, set[IPv4Address]]:
        """Return the targets that receive requests, by load balancer id."""
        serving: dict[str, set[IPv4Address]] = {}
        for (pool, target), check in (await self._get_checks()).items():
            if check.split()[0] == RUNNING:
                serving.setdefault(pool, set()).add(IPv4Address(target))
        return serving

    async def _serve(self, balancers: list[LoadBalancer]) -> None:
        if not balancers:
            await self._stop()
            return
        text = self._render(balancers)
        running = self._find_listener()
        if running and self._file.exists() and self._file.read_text() == text:
            return
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._state.write_text(_format_state(balancers, await self._get_checks()))
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
            self._file.write_text("")  # the running process has another configuration
            raise

    def _is_renderable(self, balancer: LoadBalancer) -> bool:
        try:
            render(self._config, balancer)
        except ValueError as error:
            log.error("load balancer %s is skipped: %s", balancer.id, error)
            return False
        return True

    async def _is_valid(self, balancer: LoadBalancer) -> bool:
        """Return whether HAProxy accepts the configuration of this balancer alone."""
        file = self._directory / "alone.cfg"
        file.write_text(self._render([balancer]))
        try:
            await run("haproxy", "-c", "-f", file)
        except CommandError as error:
            log.error("load balancer %s is skipped: %s", balancer.id, error)
            return False
        finally:
            file.unlink()
        return True

    async def _stop(self) -> None:
        for pid in self._pids():
            os.kill(pid, signal.SIGTERM)
        await wait_until_async(lambda: not self._pids(), STOP_TIMEOUT_S)
        self._file.unlink(missing_ok=True)

    def _find_listener(self) -> int | None:
        """Return the process that listens; None if there is none."""
        pid = int(self._pid.read_text()) if self._pid.exists() else None
        return pid if pid in self._pids() else None

    def _pids(self) -> list[int]:
        """Return the processes that were started with the cloud's configuration file."""
        pids = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                arguments = entry.read_bytes().split(b"\0")
            except OSError:
                continue  # it has ended meanwhile
            if arguments[0] == b"haproxy" and os.fsencode(self._file) in arguments:
                pids.append(int(entry.parent.name))
        return pids

    async def _get_checks(self) -> dict[tuple[str, str], str]:
        """Return the check result of each target, by load balancer id and address."""
        if not self._find_listener():
            return {}
        reader, writer = await asyncio.open_unix_connection(self._socket)
        writer.write(b"show servers state\n")
        lines = (await reader.read()).decode().splitlines()
        writer.close()
        await writer.wait_closed()
        rows = [line.split() for line in lines[2:] if line]
        rows = [row for row in rows if ":" not in row[POOL_COLUMN]]  # no listeners
        return {
            (row[POOL_COLUMN], row[TARGET_COLUMN]): " ".join(row[CHECK_COLUMNS]) for row in rows
        }

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


def _format_state(balancers: list[LoadBalancer], checks: dict[tuple[str, str], str]) -> str:
    """Return the state file with the check result of each target."""
    lines = [
        STATE_LINE.format(
            pool=balancer.id,
            target=target,
            check=checks.get((balancer.id, str(target)), UNCHECKED),
            port=balancer.health_check.port,
        )
        for balancer in balancers
        for target in balancer.targets
    ]
    return STATE_HEADER + "".join(f"{line}\n" for line in lines)

"""HAProxy configurations that HAProxy itself has checked."""

import re
import subprocess
from pathlib import Path

from rehearsal.config import CloudConfig
from rehearsal.network.haproxy import render
from rehearsal.topology.protocol import NetworkState


def render_and_check(config: CloudConfig, network_state: NetworkState, directory: Path) -> str:
    """Return the configuration of all load balancers; fail if HAProxy rejects it or warns."""
    lines = [line for balancer in network_state.load_balancers for line in render(config, balancer)]
    text = "\n".join(
        ["global", "  stats socket /dev/null", "defaults", "  timeout connect 5s", *lines, ""]
    )
    file = directory / "haproxy.cfg"
    file.write_text(text)
    result = subprocess.run(
        ["haproxy", "-c", "-f", file], check=False, capture_output=True, text=True
    )
    assert result.returncode == 0, f"{result.stderr}{text}"
    assert not re.search(r"unable|unknown|missing|ignored", result.stderr), result.stderr
    return text

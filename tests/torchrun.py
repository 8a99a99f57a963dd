"""Starts processes that train together, over the loopback of this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def torchrun(
    *arguments: str, cwd: Path | None = None, hosts: int = 1, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Two processes over the loopback, both of one host or of `hosts` that are this machine; what all of them printed."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(2 // hosts)]
    address = ["--master-addr", "127.0.0.1", "--master-port", str(free_port())]
    fixed = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    agents = [
        subprocess.Popen(
            [*command, *address, "--nnodes", str(hosts), "--node-rank", str(rank), *arguments],
            env={**os.environ, **fixed, **environment},
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(hosts)
    ]
    try:
        said = [agent.communicate(timeout=120) for agent in agents]
    finally:
        for agent in agents:
            agent.kill()
    status = next((agent.returncode for agent in agents if agent.returncode), 0)
    return subprocess.CompletedProcess(agents[0].args, status, *map("".join, zip(*said, strict=True)))

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from unifiedlib.parallel import in_processes


def test_results_come_in_the_order_of_the_calls() -> None:
    assert in_processes(math.pow, [(2, 3), (3, 2), (5, 1)], 2) == [8, 9, 5]


def test_first_failure_is_raised_with_its_own_message() -> None:
    with pytest.raises(ValueError, match=r"math domain error|expected a nonnegative input"):
        in_processes(math.sqrt, [(-1.0,), (4.0,)], 2)


def test_senseless_number_of_workers_is_refused() -> None:
    with pytest.raises(ValueError, match="workers is 0; it must be at least 1"):
        in_processes(math.sqrt, [(4.0,)], 0)


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").is_file() and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="looks at processes under /proc")
def test_workers_of_a_killed_run_end(tmp_path: Path) -> None:
    script = (
        "from unifiedlib.parallel import in_processes\n"
        "import subprocess\n"
        "if __name__ == '__main__':\n"
        f"    in_processes(subprocess.run, [(['sh', '-c', 'echo $PPID > {tmp_path}/pid; sleep 60'],)], 2)\n"
    )
    (tmp_path / "run.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    run = subprocess.Popen([sys.executable, tmp_path / "run.py"], env=environment)
    for _ in range(300):
        if (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text().strip():
            break
        time.sleep(0.1)
    worker = int((tmp_path / "pid").read_text())
    assert alive(worker)
    run.kill()
    run.wait()
    for _ in range(100):
        if not alive(worker):
            break
        time.sleep(0.1)
    assert not alive(worker)

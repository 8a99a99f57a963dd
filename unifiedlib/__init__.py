"""Library behind the notebooks: one embedding for several visual search tasks, binarised, searched and judged."""

import os

# Threads that wait by spinning keep the cores from each other on a shared machine: training was 17 times slower there.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

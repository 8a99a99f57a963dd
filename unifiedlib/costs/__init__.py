"""What it costs to run one unified embedding for N tasks, or N specialists: measured on this machine, modelled for any corpus."""

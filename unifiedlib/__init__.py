"""Library behind the notebooks: one embedding for several visual search tasks, binarised, searched and judged."""

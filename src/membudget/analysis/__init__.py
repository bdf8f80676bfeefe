"""What it means: trials to values, values to deltas, deltas to verdicts. No I/O."""

"""What figures mean: trials to values, values to verdicts. No I/O."""

"""Generated data sets with known laws: heartbeats, the swiss roll, dead leaves."""

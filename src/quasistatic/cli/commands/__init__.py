"""One file per command: its options, one public call, and its output."""

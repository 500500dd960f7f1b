"""One file a command: its options, one public call, what it prints."""

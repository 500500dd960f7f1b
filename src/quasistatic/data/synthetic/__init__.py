"""Data sets without files: heartbeats, the swiss roll and dead leaves with known laws, and pieces of photographs."""

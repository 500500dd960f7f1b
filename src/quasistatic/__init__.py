"""Diffusion models as probability distributions."""

"""What is installed: versions without known advisories, and a sha256 for all of it but torch."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

ADVISORIES = {
    "torch": "2.5.1",  # CVE-2025-32434: torch.load runs code in spite of weights_only
    "datasets": "3.6.0",  # runs the loading script of a data set on the hub
    "pillow": "12.3.0",  # CVE-2024-28219 … CVE-2026-96639: decoders (JPEG and TIFF too) read and write out of bounds
    "pyarrow": "14.0.0",  # CVE-2023-47248: a Parquet file runs code
    "scikit-learn": "1.4.2",  # CVE-2024-5206
    "setuptools": "78.1.0",  # CVE-2025-47273
}
"""The last version with an advisory, of what this project names."""


def pinned(text: str) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


CONSTRAINTS, HASHES = (pinned((ROOT / name).read_text()) for name in ("constraints.txt", "hashes.txt"))


@pytest.mark.parametrize("name", ADVISORIES)
def test_no_version_with_an_advisory_is_allowed(name: str) -> None:
    named = map(Requirement, [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]])
    (allowed,) = (one.specifier for one in named if canonicalize_name(one.name) == name)
    assert not allowed.contains(ADVISORIES[name])
    if name in CONSTRAINTS:
        assert Version(CONSTRAINTS[name]) > Version(ADVISORIES[name])


def test_the_floors_that_are_tested_are_those_declared() -> None:
    """`make floors` installs constraints-min.txt."""
    extras = PROJECT["project"]["optional-dependencies"]
    used = [one for name in extras.keys() - {"dev", "docs"} for one in extras[name]]
    named = {Requirement(one) for one in [*PROJECT["project"]["dependencies"], *used]}
    floors = {canonicalize_name(one.name): str(one.specifier).removeprefix(">=") for one in named}
    assert pinned((ROOT / "constraints-min.txt").read_text()) == floors


def test_every_package_but_torch_has_a_hash() -> None:
    """`make hashes` makes them again after a change of constraints.txt."""
    assert {name: version for name, version in CONSTRAINTS.items() if name != "torch"} == HASHES
    entries = re.split(r"^(?=[A-Za-z0-9._-]+==)", (ROOT / "hashes.txt").read_text(), flags=re.MULTILINE)[1:]
    for entry in entries:
        assert re.fullmatch(r"[^\n]+?( \\\n    --hash=sha256:[0-9a-f]{64})+\n", entry), entry[:60]


def test_no_file_of_dependencies_names_a_place() -> None:
    """Where packages come from is the user's choice."""
    for name in ("constraints.txt", "constraints-min.txt", "hashes.txt", "Makefile"):
        assert not re.search(r"https?://|file:|--index|--find-links|@ ", (ROOT / name).read_text())

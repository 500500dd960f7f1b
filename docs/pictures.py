"""Make the pictures that the README shows, from a folder that `quasistatic demo` wrote.

make demo && .venv/bin/python docs/pictures.py demo
"""

import shutil
import sys
from pathlib import Path

PICTURES = ("samples.png", "completions.png", "forward.png", "reverse.gif", "bound.png")


def main(demo: Path) -> None:
    """Copy the pictures; together they stay under 2 MB."""
    here = Path(__file__).parent / "pictures"
    here.mkdir(exist_ok=True)
    for name in PICTURES:
        shutil.copyfile(demo / name, here / name)
    size = sum((here / name).stat().st_size for name in PICTURES)
    if size > 2_000_000:
        raise SystemExit(f"the README's pictures should stay under 2 MB, got {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

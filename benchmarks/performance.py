"""Write docs/performance.md from what the benchmarks measured (docs/measured/*.json, or the folder that is named).

make bench                                 measures, and writes the page
python benchmarks/performance.py [FOLDER]  writes the page alone
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from few_steps import show_cost

ROOT = Path(__file__).parents[1]
HEAD = """# Performance

`benchmarks/performance.py` writes this page from the measurements of the other scripts in `benchmarks/`. `make bench`
runs those that need neither data nor a trained model. Compare ratios within one run, not absolute numbers: machines
differ, and these were shared.
"""


def table(columns: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def mib(count: float) -> str:
    """Bytes in MiB."""
    return f"{count / 2**20:.0f} MiB"


def ratio(part: dict[str, float]) -> str:
    """Median, least and greatest ratio."""
    return f"{part['ratio']:.2f} ({part['ratio_least']:.2f} to {part['ratio_greatest']:.2f})"


def throughput(found: dict[str, Any]) -> str:
    """Images a second of each network in each mode."""
    parts = [
        "## Throughput\n",
        f"`benchmarks/throughput.py`: the U-Net of DDPM's CIFAR-10 model, {found['size']}×{found['size']}, batch "
        f"{found['batch']}, {found['threads']} thread(s), {found['clock']} time. *Ours is*: our speed divided by "
        "theirs, median over rounds (least to greatest).\n",
    ]
    for mode, ceiling in found["ceilings"].items():
        rows = found["modes"][mode]
        lines = []
        for name, row in rows.items():
            cells = [name, f"{row['parameters'] / 1e6:.1f} M"]
            for work in ("forward", "train"):
                cells += [f"{row[work]['images_per_second']:.2f}", "" if name == "quasistatic" else ratio(row[work])]
            lines.append(cells)
        parts.append(f"**{mode}**\n")
        parts.append(table(["network", "parameters", "forward/s", "ours is", "training/s", "ours is"], lines))
        ours = rows["quasistatic"]
        share = [
            ours[w]["images_per_second"] * ours["gflop_per_image"] / ceiling["convolution"]
            for w in ("forward", "train")
        ]
        parts.append(
            f"Limits of this machine: {ceiling['product']:.0f} GFLOP/s for a large matrix product, "
            f"{ceiling['convolution']:.0f} for a 256-channel "
            f"convolution; ours reaches {share[0]:.0%} of the latter forward and {3 * share[1]:.0%} in training.\n"
        )
    best = found["modes"]["best"]
    for name, row in best.items():
        if name != "quasistatic":
            parts.append(
                f"Best mode against best mode of {name}: forward {ratio(row['forward'])}, training "
                f"{ratio(row['train'])}.\n"
            )
    return "\n".join(parts)


def memory(found: dict[str, Any]) -> str:
    """Peak memory of a training step."""
    parts = [
        "## Memory\n",
        f"`benchmarks/memory.py`: peak memory of a training step at batch {found['batch']}, without the new network's "
        f"own weights. *Ours is*: our peak divided by theirs.\n",
    ]
    for mode, rows in found["modes"].items():
        ours = rows["quasistatic"]["peak"]
        lines = [[name, mib(row["peak"]), f"{ours / row['peak']:.2f}"] for name, row in rows.items()]
        parts += [f"**{mode}**\n", table(["network", "peak", "ours is"], lines)]
    return "\n".join(parts)


def allocation(found: dict[str, Any]) -> str:
    """What keeping freed memory saves."""
    lines = [
        [
            name,
            f"{1e3 * row['handed_back']:.0f} ms, {row['pages_handed_back']:,.0f}",
            f"{1e3 * row['kept']:.0f} ms, {row['pages_kept']:,.0f}",
            ratio(row),
        ]
        for name, row in found["rows"].items()
    ]
    return "\n".join(
        [
            "## Memory kept for reuse\n",
            f"`benchmarks/allocation.py`, {found['threads']} thread(s), {found['clock']} time: the same work with "
            "freed memory returned to the system, and with freed memory kept in the allocator for reuse, as the "
            "command does. After each time: the pages that the system had to supply.\n",
            table(["", "returned", "kept", "speed-up"], lines),
        ]
    )


def operations(found: dict[str, Any]) -> str:
    """What our forms of torch's operations save."""
    names = list(next(iter(found["rows"].values())))
    lines = [
        [what, *(cell for part in row.values() for cell in (f"{1e3 * part['ours']:.2f}", ratio(part)))]
        + ["", ""] * (len(names) - len(row))
        for what, row in found["rows"].items()
    ]
    return "\n".join(
        [
            "## Operations\n",
            f"`benchmarks/operations.py`, {found['threads']} thread(s), {found['clock']} time: forward and "
            "backward, at the sizes of the 35.7 M U-Net and the recipes. Ours in ms, and its speed-up over "
            "torch's own.\n",
            table(["", *(f"{name}{end}" for name in names for end in (", ms", ", ours is"))], lines),
        ]
    )


def sampling(found: dict[str, Any]) -> str:
    """Images a second at equal quality."""
    lines = [
        [name, f"{row['images_per_second']:.3g}", f"{row['frechet']:.3f} ± {row['frechet_error']:.3f}"]
        for name, row in found["rows"].items()
    ]
    equal = [
        f"- as close to real images as {name}: **{best['ours']}**, {best['ratio']:.1f} times as many images per second"
        for name, best in found["equal"].items()
    ]
    return "\n".join(
        [
            "## Sampling with the same weights\n",
            f"`benchmarks/sampling.py`: {found['images']} images of each, {found['threads']} thread(s), float32; "
            f"bias-corrected Fréchet distance to real images on the features {found['features']}. A sampler of ours "
            "counts as equally close if its distance is at most two standard errors above theirs. Fewer images make "
            "larger standard errors.\n",
            table(["sampler, evaluations", "images/s", "Fréchet distance"], lines),
            *equal,
            "",
        ]
    )


def scoring(found: dict[str, Any]) -> str:
    """Evaluations for a standard error."""
    return f"## Scoring\n\n`benchmarks/few_steps.py --parts cost`, {found['data']}: {show_cost(found)}"


def quality(row: dict[str, Any]) -> str:
    """Bits/dim, steps and, if measured, the judge's numbers."""
    bits = f"{row['bits_per_dim']:.3f} ± {row['standard_error']:.3f} ({row['steps']:,} in {row['taken']:.1f})"
    if "sure" not in row:
        return bits
    return f"{bits}; {row['sure'][0]['value']:.0%}, {row['frechet_plain'][0]['value']:.1f}"


def time_to_quality(found: dict[str, Any]) -> str:
    """Held-out bits/dim after so much training."""
    budgets = sorted({row["minutes"] for rows in found["rows"].values() for row in rows})
    lines = []
    for name, rows in found["rows"].items():
        by = {row["minutes"]: row for row in rows}
        lines.append([name, *(quality(by[m]) if m in by else "" for m in budgets)])
    threads = found["threads"]
    small = "; diffusers-small is its loop with a network of our size" if "diffusers-small" in found["rows"] else ""
    what = f"bits/dim of {found['examples']} held-out images of MNIST after a number of"
    if "samples" in found:
        text = (
            f"{what} minutes of {threads} thread(s) (steps, minutes taken); then, of {found['samples']} samples, the "
            "share that a classifier is sure of, and the Fréchet distance in its features"
        )
    else:
        text = (
            f"{what} processor minutes of {threads} thread(s) (steps, minutes taken), each project at its own settings"
        )
    return "\n".join(
        [
            f"## Time to quality, {threads} thread(s)\n",
            f"`benchmarks/time_to_quality.py`: {text}{small}. Theirs are scored with the better of the large and the "
            "analytic variance.\n",
            table(["", *(f"{minutes:g} min" for minutes in budgets)], lines),
        ]
    )


def startup(found: dict[str, Any]) -> str:
    """Seconds until something can be used."""
    lines = [[name, f"{row['seconds']:.2f} s", f"{row['over_torch']:.2f}"] for name, row in found.items()]
    return "\n".join(
        [
            "## Start-up\n",
            "`benchmarks/startup.py`, medians.\n",
            table(["what", "median", "over `import torch`"], lines),
        ]
    )


def scaling(found: dict[str, Any]) -> str:
    """Exponents of growth, and two processes."""
    lines = [
        [
            name,
            f"{curve['forward_exponent']:.2f} ± {curve['forward_exponent_error']:.2f}",
            f"{curve['train_exponent']:.2f} ± {curve['train_exponent_error']:.2f}",
        ]
        for name, curve in found["curves"].items()
    ]
    two = found["processes"]
    return "\n".join(
        [
            "## Growth\n",
            "`benchmarks/scaling.py`: the power with which seconds grow",
            "",
            table(["", "forward", "training step"], lines),
            f"Two processes: {two['two']:.0f} images/s against {two['one']:.0f} of one, "
            f"{two['efficiency']:.0%} of twice as many "
            f"({two['efficiency_least']:.0%} to {two['efficiency_greatest']:.0%}).\n",
        ]
    )


def discrete(found: dict[str, Any]) -> str:
    """What a reverse step costs over K states."""
    parts = [
        "## Reverse steps over K states\n",
        f"`benchmarks/discrete.py`: a batch of {found['batch']} of {'×'.join(map(str, found['shape']))}, "
        f"{found['threads']} thread(s), "
        f"{found['clock']} time.\n",
    ]
    for name, part in found["processes"].items():
        last, fit = part["rows"][-1], part["fit"]
        parts.append(
            f"- {name}: K = {last['states']} takes {last['seconds'] * 1e3:.0f} ms and {mib(last['peak_bytes'])}, "
            f"{mib(last['peak_bytes'] + last['guess_bytes'])} with the denoiser's output; "
            f"time ∝ K^{fit['exponent']:.2f}"
        )
    return "\n".join(parts) + "\n"


SECTIONS: dict[str, Callable[[dict[str, Any]], str]] = {
    "throughput": throughput,
    "memory": memory,
    "allocation": allocation,
    "operations": operations,
    "sampling": sampling,
    "few-steps-mnist": scoring,
    "time-to-quality-bf16": time_to_quality,
    "time-to-quality": time_to_quality,
    "time-to-quality-one-thread": time_to_quality,
    "startup": startup,
    "scaling": scaling,
    "discrete": discrete,
}


def page(folder: Path) -> str:
    """The page, from the files there are."""
    parts, missing = [HEAD], []
    for name, section in SECTIONS.items():
        path = folder / f"{name}.json"
        if path.exists():
            found = json.loads(path.read_text("utf-8"))
            machine = found.pop("machine")
            parts.append(f"{section(found)}\nMeasured on {machine}.\n")
        else:
            missing.append(name)
    if missing:
        parts.append(f"## Not measured\n\n{', '.join(missing)}.\n")
    return "\n".join(parts)


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "measured"
    (ROOT / "docs" / "performance.md").write_text(page(place), "utf-8")

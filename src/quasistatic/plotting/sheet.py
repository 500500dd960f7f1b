"""Sheets of tiles with headings: forward trajectories, reverse trajectories and completions."""

import io
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import matplotlib
import torch
from jaxtyping import Bool, Float, Shaped
from matplotlib.colors import LinearSegmentedColormap
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from quasistatic.data import Codec
from quasistatic.plotting.picture import (
    GREY,
    INK,
    PALE,
    check_points,
    cloud,
    image_grid,
    pictures,
    png,
    tile,
    write_bytes,
)
from quasistatic.plotting.signals import signal_completions
from quasistatic.process import Process
from quasistatic.types import Times

UNKNOWN = ((253, 236, 200), (240, 190, 96))
"""Colours of unknown pixels: a light amber background and its hatching."""

SPREAD = LinearSegmentedColormap.from_list("spread", ["#ffffff", "#fde3a7", "#e09f3e", "#a4471b", "#4a1509"])
"""Colour scale of the draws' standard deviation, from 0 to its maximum."""

MOST_ROWS, MOST_DRAWS = 24, 8
"""Maximum rows and draws of a sheet."""

WIDEST_FRAME = 700
"""Maximum side of an animation's frame, in pixels."""

GIF_BYTES = 300_000
"""Target size of an animation; a larger one is retried with fewer shades, then with fewer frames."""


def forward(
    process: Process, raw: Shaped[Tensor, " n *shape"], path: str | Path, codec: Codec, columns: int = 9, seed: int = 0
) -> None:
    """Draw one forward trajectory per example, from data to noise, at evenly spaced times.

    Args:
        process: the forward process.
        raw: images, one row each, or 2-D points, drawn together.
        path: the PNG to write.
        codec: converts raw units to states.
        columns: number of times, including t = 0 and t = 1.
        seed: seed of the noise.

    Raises:
        ValueError: if the examples are neither images nor 2-D points, or there are fewer than two columns.
    """
    if columns < 2:
        raise ValueError(f"a walk from data to noise needs at least two columns, got {columns}")
    raw, generator = raw[:MOST_ROWS] if raw.ndim == 4 else raw, torch.Generator().manual_seed(seed)
    times = torch.linspace(0, 1, columns, dtype=torch.float64)
    states = [codec.encode(raw)]
    for s, t in pairwise(times):
        states.append(process.forward(states[-1], s.expand(len(raw)), t.expand(len(raw))).sample(generator))
    captions = {"t": [f"{t:.3g}" for t in times.tolist()]} | _kept(process, times)
    groups = [("data", 1), ("forward: ever more noise", columns - 2), ("noise", 1)]
    write_bytes(png(_sheet(_rows(_decoded(torch.stack(states), codec), codec), groups, captions)), path)


def _kept(process: Process, times: Times) -> dict[str, list[str]]:
    """Captions of ᾱ and the log-SNR at ``times``; none for a product whose columns have different schedules."""
    if len(process.schedules) > 1 or process.staggered:
        return {}
    alpha_bar, log_snr = process.schedule.alpha_bar(times).tolist(), process.schedule.log_snr(times).tolist()
    return {"ᾱ": [f"{kept:.2g}" if kept >= 5e-4 else "0" for kept in alpha_bar], "log-SNR": list(map(_signed, log_snr))}


def reverse_strip(states: Float[Tensor, "frames n *shape"], path: str | Path, codec: Codec, columns: int = 9) -> None:
    """Draw reverse trajectories, as returned by `Model.trajectory`, at a few evenly spaced times.

    Raises:
        ValueError: if the examples are neither images nor 2-D points, or there are fewer than two frames or columns.
    """
    if min(columns, len(states)) < 2:
        raise ValueError(f"a walk from noise to data needs at least two columns, got {min(columns, len(states))}")
    states, last = states[:, :MOST_ROWS] if states.ndim == 5 else states, len(states) - 1
    chosen = sorted({round(i * last / (columns - 1)) for i in range(columns)})
    captions = {"t": [f"{1 - i / last:.3g}" for i in chosen]}
    groups = [("noise", 1), ("reverse: ever less noise", len(chosen) - 2), ("samples", 1)]
    write_bytes(png(_sheet(_rows(_decoded(states[chosen], codec), codec), groups, captions)), path)


def reverse_gif(states: Float[Tensor, "frames n *shape"], path: str | Path, codec: Codec) -> None:
    """Write reverse trajectories as a looping GIF that pauses on the samples. A bar below shows the elapsed time.

    The last frame is exact for grey images. If the file would exceed `GIF_BYTES`, earlier frames lose shades, then
    frames are skipped.

    Raises:
        ValueError: if the examples are neither images nor 2-D points.
    """
    raw = _decoded(states, codec)
    pictured = _clouds(raw, 240) if raw.ndim == 3 else [image_grid(frame, codec) for frame in raw]
    frames = [_with_bar(frame, i / max(len(pictured) - 1, 1)) for i, frame in enumerate(map(_bounded, pictured))]
    content = b""
    for shades, every in ((256, 1), (64, 1), (16, 1), (8, 1), (16, 2), (8, 4)):
        content = _gif([*_fewer(frames[:-1][::every], shades), *_fewer(frames[-1:], 256)], 80 * every)
        if len(content) <= GIF_BYTES:
            break
    write_bytes(content, path)


def completions(
    observed: Shaped[Tensor, " n *shape"],
    known: Bool[Tensor, " n *shape"],
    draws: Shaped[Tensor, "n k *shape"],
    truth: Shaped[Tensor, " n *shape"] | None,
    path: str | Path,
    codec: Codec,
) -> None:
    """Draw one row per example: observed values (unknown pixels hatched), draws, their mean and std, ground truth.

    Mean and standard deviation are over all k draws. At most 24 examples and 8 draws of each are shown.

    Args:
        observed: images or signals in raw units; unknown values are not read.
        known: True where a value is known; a pixel is known if all its channels are.
        draws: k completions per example.
        truth: the complete examples, or None.
        path: the PNG to write.
        codec: converts raw units to states.

    Raises:
        ValueError: if the values are neither images nor signals, or their shapes do not match.
    """
    others = {"a mask": known, "draws": draws[:, 0], "a truth": observed if truth is None else truth}
    for name, values in others.items():
        if values.shape != observed.shape:
            wanted, came = tuple(observed.shape), tuple(values.shape)
            raise ValueError(f"completions of {wanted} take {name} of that shape for each, got {came}")
    if observed.ndim == 3:
        signal_completions(observed, known, draws, truth, path)
        return
    observed, known, draws = observed[:MOST_ROWS], known[:MOST_ROWS], draws[:MOST_ROWS]
    count, shown = draws.shape[1], min(draws.shape[1], MOST_DRAWS)
    # unknown values may be NaN: replace them by a finite value, which the hatching covers
    given = pictures(torch.where(known, observed, draws[:, 0].to(observed.dtype)), codec)
    columns = [[_hatched(picture, mask) for picture, mask in zip(given, known.all(1), strict=True)]]
    columns += [[tile(picture) for picture in pictures(draws[:, k], codec)] for k in range(shown)]
    groups = [("given", 1), (f"{shown} of {count} draws" if shown < count else "draws" if count > 1 else "draw", shown)]
    below = [""] * (1 + shown)
    if count > 1:
        columns.append([tile(picture) for picture in pictures(draws.double().mean(1), codec)])
        spread = draws.double().var(1).mean(1).sqrt()
        heat = torch.tensor(SPREAD((spread / spread.max().clamp(min=1e-300)).numpy())[..., :3])
        columns.append([_framed(tile(Image.fromarray(picture))) for picture in (heat * 255).round().byte().numpy()])
        groups += [("mean", 1), ("std", 1)]
        below += ["", f"0 to {spread.max().item():.2g}"]
    if truth is not None:
        columns.append([tile(picture) for picture in pictures(truth[:MOST_ROWS], codec)])
        groups, below = [*groups, ("truth", 1)], [*below, ""]
    write_bytes(png(_sheet(list(zip(*columns, strict=True)), groups, {"": below})), path)


def _signed(value: float) -> str:
    """Format a log-ratio with its sign and few digits."""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{abs(value):.1f}" if abs(value) < 9.95 else f"{abs(value):.0f}"
    return text if float(text) == 0 else ("−" if value < 0 else "+") + text


def _decoded(states: Tensor, codec: Codec) -> Tensor:
    return codec.decode(states.flatten(0, 1)).unflatten(0, states.shape[:2])


def _rows(raw: Tensor, codec: Codec) -> list[list[Image.Image]]:
    """Return tiles with one column per frame: one row per image, or a single row of scatter thumbnails."""
    if raw.ndim == 3:
        return [_clouds(raw, 150)]
    return [list(row) for row in zip(*([tile(p) for p in pictures(frame, codec)] for frame in raw), strict=True)]


def _clouds(raw: Tensor, side: int) -> list[Image.Image]:
    """Draw frames of points (frames, n, 2) on shared axes that hold nearly all of them."""
    check_points(raw.flatten(0, 1))
    ends = raw.flatten(0, 1).double().quantile(torch.tensor([0.005, 0.995], dtype=torch.float64), 0)
    reach = max((ends[1] - ends[0]).max().item() * 0.56, 1e-9)
    return [cloud(frame, ends.mean(0), reach, side) for frame in raw]


def _framed(picture: Image.Image) -> Image.Image:
    ImageDraw.Draw(picture).rectangle((0, 0, picture.width - 1, picture.height - 1), outline=PALE)
    return picture


def _hatched(picture: Image.Image, known: Tensor) -> Image.Image:
    """Return the picture's tile with unknown pixels hatched."""
    shown = tile(picture).convert("RGB")
    row, column = torch.arange(shown.height)[:, None], torch.arange(shown.width)
    stripes = Image.fromarray((((row + column) % 8 < 2).byte() * 255).numpy())
    hidden = Image.fromarray(((~known.cpu()).byte() * 255).numpy()).resize(shown.size, Image.Resampling.NEAREST)
    ground, line = (Image.new("RGB", shown.size, colour) for colour in UNKNOWN)
    return Image.composite(Image.composite(line, ground, stripes), shown, hidden)


def _sheet(
    rows: Sequence[Sequence[Image.Image]], groups: Sequence[tuple[str, int]], captions: dict[str, list[str]]
) -> Image.Image:
    """Arrange rows of tiles under headings (each spans a group of columns) and lines of captions per column."""
    width, height = rows[0][0].size
    heading, small, gap, margin = _font(13), _font(11), 3, 14
    lines = {label: texts for label, texts in captions.items() if any(texts)}
    gutter = max((small.getlength(label) for label in lines), default=0)
    start, places, spans = margin + (round(gutter) + 12 if gutter else 0), [0] * 0, []
    for name, count in groups:
        if count:
            places += [start + (width + gap) * i for i in range(count)]
            spans.append((name, start, places[-1] + width - 1))
            start = places[-1] + width + 12
    top = margin + 29 + 17 * len(lines)
    whole = Image.new("RGB", (start - 12 + margin, top + len(rows) * (height + gap) - gap + margin), "white")
    pen = ImageDraw.Draw(whole)
    for name, left, right in spans:
        pen.text(((left + right) / 2, margin + 7), name, fill=INK, font=heading, anchor="mm")
        pen.line((left, margin + 20, right, margin + 20), fill=PALE)
    for number, (label, texts) in enumerate(lines.items()):
        y = margin + 34 + 17 * number
        pen.text((margin, y), label, fill=GREY, font=small, anchor="lm")
        for place, text in zip(places, texts, strict=True):
            pen.text((place + width / 2, y), text, fill=INK, font=small, anchor="mm")
    for number, row in enumerate(rows):
        for place, picture in zip(places, row, strict=True):
            whole.paste(picture, (place, top + number * (height + gap)))
    return whole


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)


def _with_bar(frame: Image.Image, share: float) -> Image.Image:
    """Return the frame with a thin progress bar below it, filled to ``share``."""
    whole = Image.new(frame.mode, (frame.width, frame.height + 6), "white")
    whole.paste(frame)
    pen, top, right = ImageDraw.Draw(whole), frame.height + 1, frame.width - 3
    pen.rectangle((2, top, right, top + 2), fill="#dddddd")
    pen.rectangle((2, top, 2 + round(share * (right - 2)), top + 2), fill="#777777")
    return whole


def _bounded(frame: Image.Image) -> Image.Image:
    """Return the frame, reduced by a whole factor if it is larger than `WIDEST_FRAME`."""
    return frame.reduce(math.ceil(max(frame.size) / WIDEST_FRAME)) if max(frame.size) > WIDEST_FRAME else frame


def _fewer(frames: list[Image.Image], shades: int) -> list[Image.Image]:
    """Return the frames with at most ``shades`` grey levels, or in one palette of ``shades`` colours."""
    if frames and frames[0].mode == "L":
        table = [round(round(v * (shades - 1) / 255) * 255 / (shades - 1)) for v in range(256)]
        return [frame.point(table) for frame in frames]
    some = frames if len(frames) < 2 else [f.resize((32, 32), Image.Resampling.NEAREST) for f in frames]
    together = Image.new("RGB", (sum(frame.width for frame in some), max(frame.height for frame in some)))
    for number, frame in enumerate(some):
        together.paste(frame, (number * frame.width, 0))
    colours = together.quantize(shades)
    return [frame.quantize(palette=colours, dither=Image.Dither.NONE) for frame in frames]


def _gif(frames: list[Image.Image], milliseconds: int) -> bytes:
    buffer = io.BytesIO()
    pace = [milliseconds] * (len(frames) - 1) + [2500]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=pace, loop=0, optimize=True)
    return buffer.getvalue()

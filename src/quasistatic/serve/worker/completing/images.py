"""Images: the unknown part of one, noise on all of one, or means over blocks."""

from typing import Any

import torch
from jaxtyping import Shaped
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from quasistatic import plotting
from quasistatic.data import LevelsCodec
from quasistatic.model import Model
from quasistatic.model.complete import Given, known, low_resolution, nearest, noisy
from quasistatic.plotting.picture import pictures
from quasistatic.plotting.sheet import SPREAD
from quasistatic.serve.worker import asked, shown
from quasistatic.serve.worker.completing.draws import drawn, made_by
from quasistatic.serve.worker.desk import Desk
from quasistatic.serve.worker.examples import one_image


def complete_image(desk: Desk, model: Model, request: dict[str, Any]) -> dict[str, Any]:
    """Complete an image: its hidden part, its noise, or what its block means leave open."""
    image, whole = one_image(desk, model, request)
    count = asked.whole(request, "draws", 8, 64)
    way = request.get("observation", "hidden")
    if way == "noise":
        given, seen, mask = _noisy(model, image, whole, request)
    elif way == "means":
        given, seen, mask = _means(model, image, request)
    else:
        _, height, width = model.specification.shape
        hidden = torch.tensor(asked.flags(request, "unknown", height * width)).reshape(1, 1, height, width)
        mask = ~hidden.expand_as(image)
        given, seen = known(model, image, mask), image
    codec = model.specification.codec

    def kept(draws: Tensor) -> Tensor:
        return draws if way != "hidden" else torch.where(mask, image.to(draws), draws)

    def show(draws: Tensor) -> None:
        desk.show({"draws": [shown.uri(one) for one in pictures(kept(draws), codec)], "of": count})

    found = drawn(desk, model, given, request, count, show)
    raw = kept(found.draws[0])[None]
    truth = image if whole else None
    plotting.completions(nearest(model, seen, mask), mask, raw, truth, desk.folder / "completions.png", codec)
    spread, most = _spread(raw[0])
    return {
        **made_by(found),
        "draws": [shown.uri(one) for one in pictures(raw[0], codec)],
        "mean": shown.uri(pictures(raw.double().mean(1), codec)[0]),
        "spread": shown.uri(spread),
        "most": most,
        "seen": None if way == "hidden" else shown.uri(pictures(nearest(model, seen, mask), codec)[0]),
        "truth": None if truth is None else shown.uri(pictures(truth, codec)[0]),
        "files": [*shown.write_files(raw[0], model.specification, desk.folder, "draws"), "completions.png"],
    }


def _noisy(model: Model, image: Tensor, whole: bool, request: dict[str, Any]) -> tuple[Given, Tensor, Tensor]:
    """Observe an image with noise, which is added to a held-out one; a file has its own."""
    std = asked.number(request, "std", 1.0, 1e-6, 1e6)
    seen = image.float()
    if whole:
        noise = torch.randn(
            seen.shape, generator=torch.Generator().manual_seed(asked.whole(request, "seed", 0, 2**53, 0))
        )
        seen = seen + std * noise
    return noisy(model, seen, std), seen, torch.ones_like(seen, dtype=torch.bool)


def _means(model: Model, image: Tensor, request: dict[str, Any]) -> tuple[Given, Tensor, Tensor]:
    """Observe the means over square blocks of pixels."""
    factor, codec = asked.whole(request, "factor", 2, 64, 2), model.specification.codec
    if any(side % factor for side in model.specification.shape[1:]):
        sides = "×".join(map(str, model.specification.shape[1:]))
        raise ValueError(f"blocks make up the whole image of {sides}, got blocks of {factor}×{factor}; use a divisor")
    means = avg_pool2d(image.float(), factor)
    seen = interpolate(means, scale_factor=factor)
    std = codec.step / 2 if isinstance(codec, LevelsCodec) else asked.number(request, "std", 0.1, 1e-6, 1e6)
    return low_resolution(model, means, factor, std), seen, torch.ones_like(seen, dtype=torch.bool)


def _spread(draws: Shaped[Tensor, "k channels rows columns"]) -> tuple[Image.Image, float]:
    """Return the standard deviation of each pixel over the draws as a picture, and its maximum."""
    if len(draws) < 2:
        return Image.new("RGB", (draws.shape[-1], draws.shape[-2]), "white"), 0.0
    spread = draws.double().var(0).mean(0).sqrt()
    colours = torch.tensor(SPREAD((spread / spread.max().clamp(min=1e-300)).numpy())[..., :3])
    return Image.fromarray((colours * 255).round().byte().numpy()), spread.max().item()

"""Inpainting (fig. 5): the middle of a texture drawn again, given what is around it.

The paper clamps the known pixels, noise-free, at every step. That is biased even with a perfect model: of two unit
normals of correlation 0.9 with x_1 = 1 seen, the truth is N(0.900, 0.190) and clamping gives N(0.726, 0.311). `hold`
replaces them with noised copies and is biased too; walking each stretch again lessens it.
"""

import torch
from pair import configurations
from record import Experiment, Row

from quasistatic import evaluation, plotting


def main() -> None:
    experiment = Experiment.begin("inpainting", __doc__ or "")
    source = "texture:grass:16" if experiment.quick else "texture:grass:32"
    data = experiment.load(source)
    config = configurations(source, 100, 3.0, dense=0)["small U-Net"]
    model = experiment.learn(config, data, "texture-small-u-net", 2)
    unseen = model.held_out(data)
    truth = unseen.batch(torch.arange(4 if experiment.quick else 16))
    side, known = truth.shape[-1], torch.ones_like(truth, dtype=torch.bool)
    known[..., side // 3 : -side // 3, side // 3 : -side // 3] = False
    rows = []
    for resamplings in (1, 4):
        steps = 10 if experiment.quick else 250
        drawn = model.infer(truth, known, draws=4, steps=steps, resamplings=resamplings, seed=experiment.seed)
        gap = (drawn.double().mean(1) - truth.double()).square()
        errors = torch.stack([one[~mask].mean() for one, mask in zip(gap, known, strict=True)]).sqrt()
        value, error = evaluation.mean_and_error(errors)
        title = f"{source}, middle third, mean of 4 draws: RMSE, each stretch walked {resamplings} ×"
        rows.append(Row(title, "grey levels", value, error))
    plotting.completions(truth[:6], known[:6], drawn[:6], truth[:6], experiment.picture(), data.codec)
    experiment.finish(rows)


if __name__ == "__main__":
    main()

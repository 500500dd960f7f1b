"""A trained model: what was learned, and the verbs in raw units.

    model.py                                   `Model`: the bundle and its verbs
    core.py                                    what a model is made of: moved, cast, copied, shown
    bundle.py                                  what the verbs share: labels, grids, the denoiser
    sample.py draw.py complete.py              the verbs, as functions of a bundle
    evaluate/ plan.py baselines.py             evaluate/ranking.py ranks examples
    folder.py measured.py                      config.json and weights of one step; plans, stored with them
    build.py inputs.py                         the network, checked before it is made; what callers hand in
    formats/                                   the forms of other libraries: diffusers, ONNX

It may import `config` and everything below it.
"""

from quasistatic.model.model import Model

__all__ = ["Model"]

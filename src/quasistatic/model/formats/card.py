"""Writes a model's card, the README.md that the hub shows: data, scores, use, limits.

    README.md               front matter for the hub, and the card
    config.json, model.safetensors, plan.json, variance.safetensors     the model
    samples.png             of the last checkpoint, for images

What a card says comes from the model; nothing about the data is guessed.
"""

import shutil
import tempfile
from pathlib import Path

from quasistatic.evaluation import Score
from quasistatic.model.core import Core
from quasistatic.model.folder import write_model
from quasistatic.model.formats.hub import PREFIX, checked, upload

USE = """## Use

```
pip install quasistatic
quasistatic sample hf:{name} --out {sample} -n 16
quasistatic evaluate hf:{name} DATA
```

```python
import quasistatic as qs

model = qs.Model.from_pretrained("hf:{name}")
samples = model.sample(16)
score = model.evaluate(data)  # bits/dim of your own data, in the units of the training data
completed = model.infer(observed)  # NaN is unknown
```
"""

LIMITS = """## Limits

- The model is a distribution of the data above. It knows nothing of other data, and repeats their bias.
- Samples may repeat training examples: `quasistatic compare` with `--training` measures it.
- {score}
"""


def publish(model: Core, name: str, private: bool, score: Score | None, samples: str | Path | None) -> str:
    """Upload a model with its card; `Model.push_to_hub` has the arguments."""
    name = checked(name.removeprefix(PREFIX))
    if samples is not None and Path(samples).suffix != ".png":
        raise ValueError(f"samples for a card are a picture that ends in .png, got {samples}")
    weights = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_model(folder, model.config, model.specification, weights, model.step, model.score)
        if model.measured.grids:
            model.measured.write(folder, model.config.process, model.step)
        if samples is not None:
            shutil.copyfile(samples, folder / "samples.png")
        (folder / "README.md").write_text(card_of(model, name, score, samples is not None), encoding="utf-8")
        return upload(folder, name, private)


def card_of(model: Core, name: str, score: Score | None = None, pictures: bool = False) -> str:
    """Return the text of a card.

    Args:
        model: the model.
        name: ``owner/name`` on the hub.
        score: of held-out data, with its standard error.
        pictures: whether ``samples.png`` lies next to the card.
    """
    facts = {name: text for name, text in model.facts().items() if name != "device"}
    lines = ["---", "library_name: quasistatic", "tags:", "- diffusion", "- density-estimation", "---", ""]
    lines += [
        f"# {name.rpartition('/')[2]}",
        "",
        "A diffusion model as a probability distribution, made with quasistatic.",
    ]
    lines += ["", "| | |", "|---|---|", *(f"| {key} | {_cell(text)} |" for key, text in facts.items())]
    if score is not None:
        of = f"{score.method}, {score.examples:,} examples"
        lines.append(f"| score | {score.value:.4f} ± {score.standard_error:.4f} {score.unit} ({of}) |")
    lines.append("")
    if model.specification.classes:
        lines += [f"Classes: {_cell(', '.join(model.specification.classes[:50]))}", ""]
    if pictures:
        lines += ["![samples](samples.png)", "", "Samples of the last checkpoint, not selected.", ""]
    images = len(model.specification.shape) == 3
    known = model.score is not None or score is not None
    told = "The held-out score is of data that training did not see." if known else "No held-out score is known."
    text = USE.format(name=name, sample="samples.png" if images else "samples.npy")
    return "\n".join(lines) + text + "\n" + LIMITS.format(score=told)


def _cell(text: str) -> str:
    """Return a text for a cell of a table: on one line, without what Markdown or HTML would read."""
    plain = " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
    return plain.replace("`", "'")

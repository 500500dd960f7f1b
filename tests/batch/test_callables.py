"""Callables for engines: a row's result depends on its number, not on its batch; they survive pickling."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from quasistatic.batch import Completer, Sampler, Scorer
from quasistatic.data import Dataset
from quasistatic.model import Model
from quasistatic.model.bench import DrawOptions
from quasistatic.model.evaluate.examples import EvaluateOptions
from quasistatic.model.sample import SampleOptions

FEW = EvaluateOptions(steps=12, draws=3)


def batch_of(digits: Dataset, rows: list[int]) -> dict[str, np.ndarray]:
    return {"row": np.array(rows), "values": digits.batch(torch.tensor(rows)).numpy(), "name": np.array(rows) * 10}


def test_a_score_does_not_depend_on_its_batch(run: Path, digits: Dataset) -> None:
    scorer = pickle.loads(pickle.dumps(Scorer(run, options=FEW)))
    whole = scorer(batch_of(digits, list(range(9))))
    part = pickle.loads(pickle.dumps(scorer))(batch_of(digits, [7, 2]))
    assert part["name"].tolist() == [70, 20]
    for name in ("log_likelihood", "error"):
        np.testing.assert_allclose(part[name], whole[name][[7, 2]], rtol=1e-4)
    other = scorer(batch_of(digits, [7, 2]) | {"row": np.array([2, 7])})
    assert abs(other["log_likelihood"] - part["log_likelihood"]).min() > 1e-3


def test_all_steps_give_the_models_own_score(run: Path, digits: Dataset) -> None:
    found = Scorer(run, options=EvaluateOptions(steps=6, draws=None))(batch_of(digits, [0, 1, 2, 3]))
    model = Model.from_pretrained(run, "cpu")
    own = model.evaluate(digits.select(torch.arange(4)), steps=6, draws=None).log_likelihoods
    np.testing.assert_allclose(found["log_likelihood"], own.numpy(), rtol=1e-5)


def test_samples_are_those_of_their_numbers(run: Path) -> None:
    own = Model.from_pretrained(run, "cpu").sample(8, steps=3, seed=5)
    found = Sampler(run, SampleOptions(steps=3, seed=5))({"row": np.array([6, 1])})["values"]
    np.testing.assert_allclose(found, own[[6, 1]].numpy(), atol=1)  # whole levels: rounding may turn one


@pytest.mark.filterwarnings("ignore::quasistatic.inference.FewParticles")
@pytest.mark.parametrize("method", ["hold", "particle"])
def test_completions_do_not_depend_on_their_batch(method: str, run: Path, digits: Dataset) -> None:
    options = DrawOptions(draws=2, steps=3, particles=4)
    completer = Completer(run, method, options)
    batch = batch_of(digits, list(range(6)))
    values = batch["values"].astype(np.float32)
    values[:, :, :4] = np.nan
    whole = completer({"row": batch["row"], "values": values})["draws"]
    part = completer({"row": np.array([4, 1]), "values": values[[4, 1]]})["draws"]
    assert whole.shape == (6, 2, 1, 8, 8)
    np.testing.assert_array_equal(whole[:, :, :, 4:], np.repeat(batch["values"][:, None, :, 4:], 2, 1))
    assert (abs(part.astype(float) - whole[[4, 1]]) <= 1).mean() > 0.99
    assert (part != whole[[0, 2]]).any()


def test_whole_and_empty_rows_are_completed_too(run: Path, digits: Dataset) -> None:
    """What is known of a row does not decide whether its batch can be done."""
    completer = Completer(run, "hold", DrawOptions(draws=2, steps=3))
    values = batch_of(digits, [0, 1, 2])["values"].astype(np.float32)
    values[1, :, :4], values[2] = np.nan, np.nan
    found = completer({"row": np.array([5, 6, 7]), "values": values})["draws"]
    np.testing.assert_array_equal(found[0], np.repeat(values[:1], 2, 0))
    own = Model.from_pretrained(run, "cpu").sample(16, steps=3)[14:]
    np.testing.assert_allclose(found[2], own.numpy(), atol=1)
    for row in range(3):
        alone = completer({"row": np.array([5 + row]), "values": values[row : row + 1]})["draws"]
        np.testing.assert_allclose(alone[0], found[row], atol=1)


def test_bad_batches_are_named(run: Path, digits: Dataset) -> None:
    with pytest.raises(ValueError, match="a batch holds row and values, got values; add row"):
        Scorer(run)({"values": digits.batch(torch.arange(2)).numpy()})
    with pytest.raises(ValueError, match="row holds a whole number"):
        Sampler(run)({"row": np.array([0.5])})
    with pytest.raises(ValueError, match="got flow; choose one"):
        Scorer(run, "flow")
    with pytest.raises(ValueError, match="are of a whole set"):
        Scorer(run, options=EvaluateOptions(target_error=0.1))

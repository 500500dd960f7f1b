"""Readings of a text: their probabilities and draws are those of the model's law over all records or texts."""

from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch

from oracles import seeded
from quasistatic.config import Specification
from quasistatic.data import load
from quasistatic.model import Model
from quasistatic.model.bench import DrawOptions
from quasistatic.model.complete.texts import fill, is_open, readings
from quasistatic.recipes import recipe

MANY = DrawOptions(draws=400, particles=800)


def model_of(folder: Path, text: str, **reading: object) -> Model:
    """A small model with random weights, which fits nothing."""
    (folder / "text.txt").write_text(text)
    data = load(folder / "text.txt", **reading)
    config = recipe(None, data, "text")
    network = replace(config.network, width=16, depth=1, head_width=8, embedding=8, context=2, contexts=64)
    model = Model.fresh(replace(config, network=network), Specification.of(data))
    model.network.begin(data.codec.encode(data.batch(torch.arange(len(data)))))
    for parameter in model.network.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=seeded())
    model.network.eval()
    return model


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, dict[str, float]]:
    """A model of records of up to four letters, and the probability of each of them."""
    model = model_of(tmp_path_factory.mktemp("records"), "ab\nba\naabb\nb\n", records=True)
    codec = model.specification.codec
    every = ["".join(record) for n in range(5) for record in product("ab", repeat=n)]
    x = codec.encode(torch.stack([codec.split(codec.padded(record)) for record in every]))
    with torch.inference_mode():
        log_p = model.denoiser.left_to_right(x).log_prob(x).double().sum(1)
    law = dict(zip(every, log_p.exp().tolist(), strict=True))
    assert sum(law.values()) == pytest.approx(1, abs=1e-4)
    return model, law


def matching(law: dict[str, float], *patterns: str) -> dict[str, float]:
    """The law of the records that a reading allows."""

    def fits(record: str, pattern: str) -> bool:
        signs = zip(record, pattern, strict=False)
        return len(record) == len(pattern) and all(sign in ("?", letter) for letter, sign in signs)

    return {record: p for record, p in law.items() if any(fits(record, pattern) for pattern in patterns)}


@pytest.mark.parametrize("text", ["a*b", "*", "a?*", "{a|bb|?a?}b", "b??"])
def test_readings_have_the_probabilities_of_the_records_they_allow(
    records: tuple[Model, dict[str, float]], text: str
) -> None:
    model, law = records
    found = fill(model, text, longest=4, options=MANY)
    known = {one: sum(matching(law, one).values()) for one in readings(text, model.specification.codec, 4)}
    known = {one: p for one, p in known.items() if len(one) <= 4}
    assert {candidate.text for candidate in found.candidates} == set(known)
    for candidate in found.candidates:
        assert candidate.log_evidence == pytest.approx(torch.tensor(known[candidate.text]).log().item(), abs=0.15)
        if "?" not in candidate.text:
            assert candidate.log_evidence == pytest.approx(torch.tensor(known[candidate.text]).log().item(), abs=1e-4)
            assert candidate.error == 0
        assert candidate.probability == pytest.approx(known[candidate.text] / sum(known.values()), abs=0.03)
    drawn = Counter(found.draws)
    wanted: dict[str, float] = {}
    for one in known:  # a record that two readings allow counts twice, as the text says
        for record, p in matching(law, one).items():
            wanted[record] = wanted.get(record, 0) + p
    assert set(drawn) <= set(wanted)
    for record, p in wanted.items():
        share = p / sum(wanted.values())
        assert drawn[record] / 400 == pytest.approx(share, abs=0.02 + 4 * (share * (1 - share) / 400) ** 0.5)


def test_a_text_is_weighed_by_what_is_known_of_it(tmp_path: Path) -> None:
    model = model_of(tmp_path, "abba baab abab bbaa " * 4, length=8)
    codec = model.specification.codec
    found = fill(model, "a* ba", longest=2, options=MANY)
    with torch.inference_mode():
        every = {}
        for reading in ("a ba", "a? ba", "a?? ba"):
            gaps = reading.count("?")
            filled = [reading.replace("?", "{}").format(*letters) for letters in product(" ab", repeat=gaps)]
            x = torch.stack([codec.encode(codec.split(one.ljust(8, "a"))[None])[0] for one in filled])
            log_p = model.denoiser.left_to_right(x).log_prob(x).double()[:, : len(reading)].sum(1)
            every[reading] = log_p.logsumexp(0).item()
    for candidate in found.candidates:
        assert candidate.log_evidence == pytest.approx(every[candidate.text], abs=0.1)
    assert all(draw.startswith("a") and draw.endswith(" ba") for draw in found.draws)


def test_signs_that_are_in_the_alphabet_are_no_signs(tmp_path: Path) -> None:
    model = model_of(tmp_path, "a*b*|{}" * 8, length=8)
    assert not is_open("a*b{a|b}", model.specification.codec)
    assert readings("a*b{a|b}", model.specification.codec, 3) == ["a*b{a|b}"]


def test_draws_depend_on_the_seed_alone(records: tuple[Model, dict[str, float]]) -> None:
    model, _ = records
    few = DrawOptions(draws=3, particles=40)
    assert fill(model, "a*b", 3, few).draws == fill(model, "a*b", 3, few).draws
    assert fill(model, "a*b", 3, replace(few, draws=30)).draws[:3] == fill(model, "a*b", 3, few).draws


def test_other_models_are_refused(tmp_path: Path) -> None:
    digits = load("digits")
    config = recipe("demo", digits, "digits")
    with pytest.raises(ValueError, match="filled by a model of texts"):
        fill(Model.fresh(config, Specification.of(digits)), "a*b")
    model = model_of(tmp_path, "abba baab abab bbaa " * 4, length=8)
    from quasistatic.schedule import Staggered

    process = replace(model.config.process, schedule=Staggered(model.config.process.schedule.base, (8,), "left", 0.5))
    other = Model.fresh(replace(model.config, process=process), model.specification)
    with pytest.raises(TypeError, match="draws from left to right"):
        fill(other, "a*b")


def test_texts_that_were_split_otherwise_are_refused(tmp_path: Path) -> None:
    model = model_of(tmp_path, "abba baab abab bbaa " * 20, tokens=8, length=8)
    again = load(tmp_path / "text.txt", tokens=8, length=8, like=model.specification.codec)
    assert model.evaluate(again).unit == "bits/character"
    for reading in ({"tokens": 6}, {"tokens": "bytes"}, {}):
        other = load(tmp_path / "text.txt", length=8, **reading)
        with pytest.raises(ValueError, match=r"load it with like=model\.specification\.codec"):
            model.evaluate(other)


def test_alternatives_are_ranked_by_word_pieces_too(tmp_path: Path) -> None:
    model = model_of(tmp_path, "abba baab abab bbaa " * 20, tokens=8, length=8)
    codec = model.specification.codec
    found = fill(model, "ab{ba| a}", options=DrawOptions(draws=2))
    with torch.inference_mode():
        for candidate in found.candidates:
            x = codec.encode(codec.split(candidate.text)[None])
            whole = torch.cat([x, torch.zeros(1, 8 - x.shape[1], dtype=torch.int64)], 1)
            log_p = model.denoiser.left_to_right(whole).log_prob(whole)[0, : x.shape[1]].sum()
            assert candidate.log_evidence == pytest.approx(log_p.item(), abs=1e-4)

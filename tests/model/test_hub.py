"""Models on a hub: the real client against a small hub on loopback, and without one."""

import json
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch

import quasistatic as qs
from quasistatic.model import Model
from quasistatic.model.formats import hub
from quasistatic.model.formats.card import card_of
from small_hub import Hub, small_hub

pytestmark = pytest.mark.filterwarnings("ignore")
"""The client warns of tokens and caches, as it likes."""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    with small_hub() as (address, handler):
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
        for module in (
            huggingface_hub.constants,
            import_module("huggingface_hub.file_download"),
        ):  # before 1.0 both have it
            template = address + "/{repo_id}/resolve/{revision}/{filename}"
            monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_TOKEN", "hf_of_the_test")
        yield handler


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No hub answers."""
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_test")


def test_a_model_comes_back_as_it_went(own: type[Hub], model: Model) -> None:
    address = model.push_to_hub("me/digits")
    assert address.endswith("/me/digits")
    assert {"README.md", "config.json", "model.safetensors"} <= set(own.repositories["me/digits"][1])
    back = Model.from_pretrained("hf:me/digits")
    assert back.config == model.config
    assert back.step == model.step
    assert torch.equal(back.sample(2, steps=3), model.sample(2, steps=3))


def test_a_model_is_kept_in_the_cache(own: type[Hub], model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    model.push_to_hub("me/digits")
    first = Model.from_pretrained("hf:me/digits", revision=own.repositories["me/digits"][0])
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    again = Model.from_pretrained("hf:me/digits", revision=own.repositories["me/digits"][0])
    assert torch.equal(first.sample(1, steps=2), again.sample(1, steps=2))


def test_only_a_models_files_come(own: type[Hub], model: Model) -> None:
    model.push_to_hub("me/digits")
    own.repositories["me/digits"][1]["evil.py"] = b"raise SystemExit"
    folder = Path(hub.local("hf:me/digits"))
    assert {path.name for path in folder.iterdir()} <= set(hub.FILES)


def test_commands(own: type[Hub], run: Path, command: Callable[..., int], tmp_path: Path) -> None:
    assert command("push", run, "me/mine", "--private", "--data", "digits") == 0
    assert own.private == {"me/mine"}
    assert "±" in own.repositories["me/mine"][1]["README.md"].decode()
    assert command("pull", "me/mine", "--out", tmp_path / "pulled") == 0
    assert (tmp_path / "pulled" / "model.safetensors").read_bytes() == own.repositories["me/mine"][1][
        "model.safetensors"
    ]
    assert command("sample", "hf:me/mine", "--out", tmp_path / "drawn.npy", "-n", 1, "--steps", 2) == 0
    assert command("pull", "me/mine", "--out", tmp_path / "pulled") == 2  # there is one already


def test_the_card_says_what_is_known(model: Model) -> None:
    score = model.evaluate(model.held_out(qs.load("digits"))[:8], steps=10)
    text = card_of(model, "me/digits", score, pictures=True)
    assert f"| score | {score.value:.4f} ± {score.standard_error:.4f} bits/dim (bound, 8 examples) |" in text
    assert 'from_pretrained("hf:me/digits")' in text
    assert "![samples](samples.png)" in text
    assert text.startswith("---\nlibrary_name: quasistatic\n")
    assert "samples.png)" not in card_of(model, "me/digits")


# ---- what cannot be done


def test_without_a_network(nowhere: None, model: Model, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"me/digits could not be downloaded and is not in the cache .*cache: .* network"):
        Model.from_pretrained("hf:me/digits")
    with pytest.raises(OSError, match="me/digits could not be uploaded: the hub cannot be reached"):
        model.push_to_hub("me/digits")
    with pytest.raises(OSError, match="cannot be reached"):
        hub.pull("me/digits", tmp_path / "pulled")
    assert not (tmp_path / "pulled").exists()


def test_what_the_hub_does_not_have(own: type[Hub], model: Model) -> None:
    with pytest.raises(ValueError, match="no such model, or you may not use it"):
        Model.from_pretrained("hf:me/nothing")
    model.push_to_hub("me/digits")
    with pytest.raises(ValueError, match="no such revision"):
        Model.from_pretrained("hf:me/digits", revision="v9")


@pytest.mark.parametrize("name", ["digits", "a/b/c", "../x", "a b/c", ""])
def test_a_name_has_an_owner(name: str, model: Model) -> None:
    with pytest.raises(ValueError, match="named owner/name"):
        model.push_to_hub(name)


def test_a_revision_is_of_the_hub(run: Path) -> None:
    with pytest.raises(ValueError, match="a revision is of a model on the hub"):
        Model.from_pretrained(run, revision="v1")


def test_samples_are_a_picture(model: Model, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ends in \.png"):
        model.push_to_hub("me/digits", samples=tmp_path / "drawn.npy")


def test_a_class_name_cannot_break_the_card(model: Model) -> None:
    """Names come from folders of images."""
    spec = model.specification
    object.__setattr__(spec, "classes", ("a|b", "<script>", "c\nd", "`e`"))
    try:
        assert "Classes: a\\|b, &lt;script>, c d, 'e'" in card_of(model, "me/digits")
    finally:
        object.__setattr__(spec, "classes", tuple("0123456789"))
    assert json.dumps(spec.classes)

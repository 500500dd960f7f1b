"""The names a user imports exist, are documented, and are loaded only when used."""

import pytest

import quasistatic


@pytest.mark.parametrize("name", [name for name in quasistatic.__all__ if name != "__version__"])
def test_a_public_name_is_documented(name: str) -> None:
    thing = getattr(quasistatic, name)
    assert thing.__doc__
    assert len(thing.__doc__) > 20
    assert name in dir(quasistatic)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Diffusion'; it has load, Dataset"):
        _ = quasistatic.Diffusion


def test_old_names_are_aliases_for_one_version() -> None:
    from quasistatic import data, inference, plotting, process

    assert quasistatic.__version__.startswith("0.1"), "version 0.2 drops the old names"
    assert quasistatic.Gaussian is process.Gaussian is process.GaussianProcess
    assert data.hold is data.from_tensor
    assert plotting.grid is plotting.image_grid
    assert (inference.Linear, inference.Product) == (inference.LinearObservation, inference.ProductObservation)

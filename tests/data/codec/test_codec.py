"""Codecs: exact inverses, Jacobians against finite differences, masses that sum to 1."""

import json
import math
from dataclasses import asdict

import pytest
import torch

from quasistatic.data.codec.affine import AffineCodec, affine_codec_of
from quasistatic.data.codec.levels import LevelsCodec, levels_codec_of
from quasistatic.data.codec.registry import CODECS, codec_of
from quasistatic.distribution import Distribution, Levels, Normal

DIGITS, PIXELS, BINARY = LevelsCodec(0, 16, 17), LevelsCodec(0, 255, 256), LevelsCodec(0, 255, 2)
AFFINE = AffineCodec((5.0, -100.0), (2.0, 0.25))
LEVELS = [DIGITS, PIXELS, BINARY, LevelsCodec(-3, 9, 5), LevelsCodec(0, 65535, 65536)]


@pytest.mark.parametrize("codec", LEVELS, ids=str)
def test_every_level_returns_from_its_state(codec):
    raw = torch.arange(codec.low, codec.high + 1, codec.step)[None]
    x = codec.encode(raw)
    assert raw.shape[1] == codec.levels
    assert x.dtype == torch.float32
    torch.testing.assert_close(x, torch.linspace(-1, 1, codec.levels)[None])
    assert torch.equal(codec.decode(x).long(), raw)
    assert torch.equal(codec.encode(raw.double()), x)


def test_decoding_gives_the_smallest_integer_type():
    types = [codec.decode(torch.zeros(1, 1)).dtype for codec in LEVELS]
    assert types == [torch.uint8, torch.uint8, torch.uint8, torch.int16, torch.int32]


def test_states_beyond_the_outer_levels_decode_to_them():
    assert DIGITS.decode(torch.tensor([[-9.0, -1.2, 1.01, 7.0]])).tolist() == [[0, 0, 16, 16]]


def test_decoding_rounds_as_the_scored_law_does():
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(1, 10_000, generator=generator)
    scored = DIGITS.decoder(Normal(states, torch.zeros(1)))
    assert torch.equal(DIGITS.encode(DIGITS.decode(states)), scored.sample(generator))


@pytest.mark.parametrize("codec", [DIGITS, PIXELS, BINARY], ids=str)
def test_masses_over_all_raw_values_sum_to_one(codec):
    x = codec.encode(torch.arange(codec.low, codec.high + 1, codec.step)[None]).double()
    clean = codec.decoder(Normal(torch.full_like(x, 0.3), torch.full_like(x, 0.4)))
    total = (clean.log_prob(x) + codec.log_jacobian(x)).exp().sum()
    torch.testing.assert_close(total, torch.ones_like(total))


def test_a_mass_on_levels_is_its_own_decoder():
    clean = Levels(torch.zeros(1, 17), DIGITS.states)
    assert DIGITS.decoder(clean) is clean
    quantized = DIGITS.decoder(Normal(torch.zeros(1), torch.ones(1)))
    assert DIGITS.decoder(quantized) is quantized


class Other(Distribution):
    """A law that has no masses on levels."""

    mean = variance = std = entropy = torch.zeros(1)

    def sample(self, generator=None):
        return self.mean

    def log_prob(self, x):
        return x

    def kl(self, other):
        return self.mean

    def take(self, rows):
        return self


def test_levels_are_scored_with_a_known_law_only():
    with pytest.raises(TypeError, match="levels are scored with a Normal, a Quantized or a Levels, got Other"):
        DIGITS.decoder(Other())


@pytest.mark.parametrize(("value", "message"), [(17.0, "the value 17"), (-1.0, "the value -1"), (0.5, "the value 0.5")])
def test_a_value_that_is_no_level_is_named(value, message):
    with pytest.raises(ValueError, match=message) as error:
        DIGITS.encode(torch.tensor([[3.0, value]]))
    assert "17 levels from 0 to 16" in str(error.value)


def test_unknown_values_have_no_state_and_unknown_states_no_level():
    with pytest.raises(ValueError, match="1 NaN or infinite of 2"):
        DIGITS.encode(torch.tensor([[1.0, math.nan]]))
    with pytest.raises(ValueError, match="1 NaN or infinite of 2"):
        AFFINE.encode(torch.tensor([[1.0, math.nan]]))
    with pytest.raises(ValueError, match="2 NaN or infinite"):
        DIGITS.decode(torch.tensor([[math.nan, math.inf]]))


@pytest.mark.parametrize("numbers", [(0, 16, 1), (0, 0, 2), (0, 16, 6), (5, 1, 2)])
def test_levels_that_do_not_divide_the_range_are_refused(numbers):
    with pytest.raises(ValueError, match="equal whole steps"):
        LevelsCodec(*numbers)


@pytest.mark.parametrize("numbers", [((0.0,), (0.0,)), ((0.0, 1.0), (1.0,)), ((math.nan,), (1.0,)), ((), ())])
def test_scales_must_be_finite_and_above_zero(numbers):
    with pytest.raises(ValueError, match=r"an affine codec needs|center\.0 must be finite, got nan"):
        AffineCodec(*numbers)


@pytest.mark.parametrize("shape", [(6, 2), (6, 2, 3, 5)])
def test_affine_is_inverted(shape):
    raw = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(AFFINE.decode(AFFINE.encode(raw)), raw, atol=1e-5, rtol=1e-6)
    assert AFFINE.encode(raw.double()).dtype == AFFINE.decode(raw.double()).dtype == torch.float32


@pytest.mark.parametrize("method", [AFFINE.encode, AFFINE.decode, AFFINE.log_jacobian])
def test_affine_data_has_one_entry_per_scale(method):
    with pytest.raises(ValueError, match="2 channels or columns along axis 1, got shape"):
        method(torch.zeros(4, 3))


def test_affine_jacobian_is_the_slope_of_encode():
    raw = torch.tensor([[1.0, -90.0], [4.0, -99.5]], dtype=torch.float64)
    step = 0.5  # the map is affine: any step gives the slope
    slope = (AFFINE.encode(raw + step) - AFFINE.encode(raw)) / step
    torch.testing.assert_close(AFFINE.log_jacobian(AFFINE.encode(raw)), slope.log())


def test_affine_density_in_raw_units_is_that_of_the_raw_law():
    """x = (raw − μ)/σ is standard normal where raw is N(μ, σ²)."""
    raw = torch.tensor([[3.0, -100.0], [8.0, -99.9]])
    x = AFFINE.encode(raw)
    scored = AFFINE.decoder(Normal(torch.zeros_like(x), torch.ones_like(x))).log_prob(x) + AFFINE.log_jacobian(x)
    law = torch.distributions.Normal(torch.tensor(AFFINE.center), torch.tensor(AFFINE.scale))
    torch.testing.assert_close(scored, law.log_prob(raw))


@pytest.mark.parametrize("codec", [DIGITS, AFFINE], ids=str)
def test_a_codec_is_its_own_configuration(codec):
    stored = json.loads(json.dumps(asdict(codec)))
    kind = CODECS["levels" if codec is DIGITS else "affine"]
    restored = kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()})
    assert restored == codec


@pytest.mark.parametrize(
    ("values", "dtype", "codec"),
    [
        ([0, 16, 3, 7], torch.uint8, DIGITS),
        ([0, 255], torch.uint8, BINARY),
        ([0, 100, 200, 20], torch.uint8, LevelsCodec(0, 200, 11)),
        (range(32), torch.uint8, LevelsCodec(0, 31, 32)),
        (range(33), torch.uint8, PIXELS),
        ([7, 7], torch.uint8, PIXELS),
        (range(-20, 90), torch.int8, LevelsCodec(-128, 127, 256)),
        (range(40), torch.int64, PIXELS),
        (range(0, 50_000, 7), torch.int64, LevelsCodec(0, 65535, 65536)),
        (range(-100, 300), torch.int64, LevelsCodec(-100, 299, 400)),
    ],
)
def test_levels_are_found(values, dtype, codec):
    assert levels_codec_of(torch.tensor(values, dtype=dtype)[:, None]) == codec


def test_levels_are_found_in_all_of_a_long_array():
    values = torch.zeros(2**20 + 8, 1, dtype=torch.uint8)
    values[-1], values[-2] = 16, 1
    assert levels_codec_of(values) == DIGITS


def test_integers_without_a_table_of_levels_are_refused():
    with pytest.raises(ValueError, match=r"got 1000001 from 0 to 1000000; store it as floats"):
        levels_codec_of(torch.tensor([[0], [1], [1_000_000]]))
    with pytest.raises(ValueError, match="got 1 from -7 to -7"):
        levels_codec_of(torch.tensor([[-7], [-7]]))


def test_continuous_columns_are_standardised_and_constant_ones_keep_their_unit():
    raw = torch.randn(500, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 7 + 3
    raw[:, 1] = 0.1
    codec = affine_codec_of(raw)
    x = codec.encode(raw)
    assert codec.scale[1] == 1
    torch.testing.assert_close(x.mean(0), torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(x.std(0, correction=0), torch.tensor([1.0, 0.0, 1.0]))
    assert codec_of(raw) == codec
    assert codec_of(torch.tensor([[0, 255]], dtype=torch.uint8)) == BINARY


def test_continuous_data_with_nan_has_no_codec():
    with pytest.raises(ValueError, match="1 NaN or infinite of 2"):
        affine_codec_of(torch.tensor([[1.0, math.inf]]))

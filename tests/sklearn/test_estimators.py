"""The estimators do what their names say, in arrays and frames, pipelines and searches."""

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from quasistatic.sklearn import DiffusionDensity, DiffusionImputer, DiffusionOutlier

SMALL: dict[str, Any] = {"network__width": 16, "network__depth": 1, "batch_size": 64}
TINY: dict[str, Any] = {"steps": 2, "random_state": 0, "config": SMALL}

random = np.random.default_rng(0)
X = random.normal(size=(200, 1)) @ np.ones((1, 3)) + 0.2 * random.normal(size=(200, 3))
"""Three numbers that are nearly the same."""
FRAME = pd.DataFrame(
    {
        "country": pd.Categorical(np.where(X[:, 0] > 0, "fr", "de")),
        "city": np.where(X[:, 0] > 0, "Lyon", "Köln"),
        "height": X[:, 0],
        "age": random.permutation(200),
        "tall": X[:, 0] > 0,
        "planet": "earth",
    },
    index=pd.Index(range(500, 700), name="row"),
)
"""The city and whether one is tall follow from the country; ages all differ."""


@pytest.fixture(scope="session")
def imputer() -> DiffusionImputer:
    """An imputer that has learned that the city follows from the country."""
    return DiffusionImputer(steps=300, learning_rate=1e-2, random_state=0, config=SMALL).fit(gaps(seed=1))


def gaps(seed: int = 0) -> pd.DataFrame:
    """The frame with a tenth of its cells empty."""
    holes = np.random.default_rng(seed).random(FRAME.shape) < 0.1
    return FRAME.astype({"city": object, "tall": object, "planet": object, "age": float}).mask(holes)


@pytest.mark.parametrize("estimator", [DiffusionDensity(), DiffusionOutlier(), DiffusionImputer()])
@pytest.mark.parametrize("verb", ["score_samples", "sample", "decision_function", "predict", "transform"])
def test_nothing_works_before_fit(estimator: Any, verb: str) -> None:
    if verb not in dir(estimator):
        pytest.skip("another estimator's verb")
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        getattr(estimator, verb)(*([] if verb == "sample" else [X]))


@pytest.mark.slow
def test_densities_are_those_of_the_model() -> None:
    """Density and samples have one law: with the true one, the mean log-likelihood of samples is minus its entropy."""
    density = DiffusionDensity(steps=200, learning_rate=1e-2, random_state=0, config=SMALL).fit(X)
    scores = density.score_samples(X)
    assert scores.shape == (200,)
    assert density.score(X) == pytest.approx(scores.mean())
    again = pickle.loads(pickle.dumps(density)).score_samples(X[50:53])
    assert again == pytest.approx(scores[50:53])
    drawn = density.sample(2000, random_state=1)
    assert drawn.shape == (2000, 3)
    assert np.array_equal(drawn[:5], density.sample(2000, random_state=1)[:5])
    other = density.score_samples(drawn)
    weights = np.exp(density.score_samples(X[::-1])[::-1] - scores)
    assert weights == pytest.approx(1)  # not of their order
    assert other.mean() > density.score(random.permuted(X, axis=0)) + 1  # dependence was learned
    assert abs(np.corrcoef(drawn.T)[0, 1] - np.corrcoef(X.T)[0, 1]) < 0.1


@pytest.mark.slow
def test_the_mass_of_a_law_is_one() -> None:
    """Over all rows of a table of categories."""
    table = pd.DataFrame({"a": ["x", "y", "y"] * 20, "b": ["p", "q", "r", "r"] * 15})
    density = DiffusionDensity(**TINY).fit(table)
    rows = pd.DataFrame([(a, b) for a in "xy" for b in "pqr"], columns=["a", "b"])
    assert np.exp(density.score_samples(rows)).sum() == pytest.approx(1, abs=1e-5)
    marginal = density.score_samples(pd.DataFrame({"a": ["x", "y"], "b": [None, None]}))
    assert np.exp(marginal).sum() == pytest.approx(1, abs=1e-5)  # what is missing is left out


def test_samples_have_the_form_of_the_data() -> None:
    drawn = DiffusionDensity(**TINY).fit(FRAME).sample(7, random_state=0)
    assert list(drawn.columns) == list(FRAME.columns)
    assert (drawn.dtypes == FRAME.dtypes).all()
    assert (drawn["planet"] == "earth").all()
    assert set(drawn["city"]) <= {"Lyon", "Köln"}
    numbered = pd.DataFrame(X)
    assert list(DiffusionDensity(**TINY).fit(numbered).sample(2).columns) == [0, 1, 2]


@pytest.mark.slow
def test_strange_rows_are_outliers() -> None:
    outlier = DiffusionOutlier(contamination=0.05, steps=200, learning_rate=1e-2, random_state=0, config=SMALL).fit(X)
    assert (outlier.predict(X) == -1).mean() == pytest.approx(0.05, abs=0.01)
    strange = np.array([[1.5, -1.5, 1.5], [30.0, 30.0, 30.0]])
    assert outlier.predict(strange).tolist() == [-1, -1]
    assert np.allclose(outlier.decision_function(X), outlier.score_samples(X) - outlier.offset_)


@pytest.mark.slow
def test_gaps_are_filled_together_and_frames_are_kept(imputer: DiffusionImputer) -> None:
    holes = gaps()
    filled = imputer.transform(holes)
    assert filled.index.equals(holes.index)
    assert list(filled.columns) == list(holes.columns)
    assert (filled.dtypes == holes.dtypes).all()
    assert not filled.isna().any().any()
    known = holes.notna()
    assert filled.where(known).equals(holes)
    city = holes["city"].isna() & holes["country"].notna()
    assert (filled.loc[city, "city"] == FRAME.loc[city, "city"]).mean() > 0.9
    assert (filled["planet"] == "earth").all()
    assert set(filled["age"] % 1) == {0}  # whole numbers stay whole
    assert imputer.get_feature_names_out().tolist() == list(FRAME.columns)
    assert holes.isna().any().any()  # the input is not changed


@pytest.mark.slow
def test_draws_have_the_spread_that_means_lack(imputer: DiffusionImputer) -> None:
    holes = FRAME.astype({"city": object, "tall": object}).assign(height=np.nan, age=np.nan)
    first, second = imputer.sample_posterior(holes, n_draws=2, random_state=1)
    assert not first["height"].equals(second["height"])
    assert first["height"].equals(imputer.sample_posterior(holes, n_draws=2, random_state=1)[0]["height"])
    assert imputer.transform(holes)["height"].std() < first["height"].std()
    assert (np.sign(first["height"]) == np.sign(X[:, 0])).mean() > 0.8  # given the country
    whole = imputer.sample_posterior(FRAME.astype({"city": object, "tall": object, "age": float}), n_draws=2)
    assert whole[0].equals(FRAME.astype({"city": object, "tall": object, "age": float}))
    empty = holes.assign(country=None, city=None, tall=None, planet=None).iloc[:4]
    assert not imputer.transform(empty)["city"].isna().any()


@pytest.mark.slow
def test_polars_frames_stay_polars() -> None:
    polars = pytest.importorskip("polars")
    table = polars.DataFrame({"a": ["x", "y", None] * 20, "b": [1, None, 3, 2] * 15, "c": np.arange(60.0)})
    filled = DiffusionImputer(**TINY).fit(table).transform(table)
    assert filled.schema == table.schema
    assert sum(filled.null_count().row(0)) == 0


@pytest.mark.slow
def test_pipelines_and_searches_work() -> None:
    holed = np.where(random.random(X.shape) < 0.1, np.nan, X)
    pipe = make_pipeline(DiffusionImputer(draws=2, **TINY), LogisticRegression())
    assert pipe.fit(holed, X[:, 0] > 0).score(holed, X[:, 0] > 0) > 0.9
    named = make_pipeline(StandardScaler(), DiffusionImputer(draws=2, **TINY)).set_output(transform="pandas")
    assert isinstance(named.fit_transform(holed), pd.DataFrame)
    search = GridSearchCV(DiffusionDensity(**TINY), {"steps": [2, 20], "learning_rate": [1e-3]}, cv=2).fit(X)
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores)) == 2
    assert search.best_score_ == scores.max()
    assert np.isfinite(search.score(X))


OTHERS = [
    (FRAME.rename(columns={"city": "town"}), "feature names should match those that were passed during fit"),
    (FRAME.drop(columns="city"), "feature names should match|is expecting 6 features"),
    (X, "X has 3 features, but DiffusionDensity is expecting 6 features"),
]


@pytest.mark.parametrize(("other", "sentence"), OTHERS)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
def test_other_columns_are_refused(other: Any, sentence: str) -> None:
    density = DiffusionDensity(**TINY).fit(FRAME)
    with pytest.raises(ValueError, match=sentence):
        density.score_samples(other)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: DiffusionDensity(validation_fraction=1.5).fit(X), "validation_fraction is between 0 and 1, got 1.5"),
        (lambda: DiffusionOutlier(contamination=0.9).fit(X), "contamination is above 0 and at most 0.5, got 0.9"),
        (lambda: DiffusionImputer(fill="mode").fit(X), "values are filled by mean or draw, got 'mode'"),
        (lambda: DiffusionDensity(config={"widht": 3}).fit(X), "the configuration has no field widht"),
        (lambda: DiffusionDensity().fit(FRAME.iloc[:1]), "two samples or more are needed, got n_samples = 1"),
        (lambda: DiffusionDensity().fit(np.ones((9, 2))), "needs|constant|one value"),
        (lambda: DiffusionDensity().fit(np.full((9, 2), np.inf)), "infinity"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(make: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()


def test_the_seed_decides() -> None:
    first, same, other = (DiffusionDensity(**TINY | {"random_state": seed}).fit(X).score(X) for seed in (0, 0, 1))
    assert first == same != other

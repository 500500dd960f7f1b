"""scikit-learn estimators of tables: density, imputation, outliers.

    estimator.py    fitting and validation, which all share      frames.py     arrays and frames ↔ named columns
    density.py      `DiffusionDensity`                           imputer.py    `DiffusionImputer`
    outlier.py      `DiffusionOutlier`

Each learns a masked diffusion of the columns: numbers, categories, dates and booleans, with gaps. `model_` is the
`Model`. It may import `fitting` and everything below it.
"""

from quasistatic.sklearn.density import DiffusionDensity
from quasistatic.sklearn.imputer import DiffusionImputer
from quasistatic.sklearn.outlier import DiffusionOutlier

__all__ = ["DiffusionDensity", "DiffusionImputer", "DiffusionOutlier"]

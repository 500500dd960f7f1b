"""Converts what scikit-learn's users hand over to a pandas frame, and a frame back to what they handed over."""

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Form:
    """How the columns came: from an array, a pandas frame or a Polars frame.

    Attributes:
        library: ``array``, ``pandas`` or ``polars``.
        dtypes: of the columns by their names as texts, in that library; empty for an array.
        names: of the columns, as they came.
    """

    library: str
    dtypes: dict[str, Any]
    names: tuple[Any, ...] = ()

    @classmethod
    def of(cls, X: Any) -> "Form":
        """Return the form of ``X``."""
        if isinstance(X, pd.DataFrame):
            return cls("pandas", {str(name): dtype for name, dtype in X.dtypes.items()}, tuple(X.columns))
        return cls("polars", dict(X.schema)) if _is_polars(X) else cls("array", {})

    def back(self, frame: pd.DataFrame) -> Any:
        """Return ``frame``, with names as texts, in this form; a column keeps its dtype where its values allow it."""
        if self.library == "array":
            return frame.to_numpy(dtype=np.float64)
        if self.library == "polars":
            return sys.modules["polars"].from_pandas(frame).cast(self.dtypes)
        for name, dtype in self.dtypes.items():
            whole = pd.api.types.is_integer_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)
            if frame[name].dtype != dtype and not (whole and frame[name].isna().any()):
                frame = frame.assign(**{name: frame[name].astype(dtype)})
        return frame.set_axis(list(self.names), axis=1)


def is_frame(X: Any) -> bool:
    """Return whether ``X`` has named columns of its own."""
    return isinstance(X, pd.DataFrame) or _is_polars(X)


def as_frame(X: Any) -> pd.DataFrame:
    """Return ``X`` as a pandas frame whose columns have text names: their own, or x0, x1, …."""
    if isinstance(X, pd.DataFrame):
        return X.set_axis([str(name) for name in X.columns], axis=1)
    if _is_polars(X):
        return X.to_pandas()
    return pd.DataFrame(X, columns=[f"x{place}" for place in range(X.shape[1])])


def kinds(frame: pd.DataFrame) -> tuple[str, ...]:
    """Return NAME=KIND of the columns of numbers that hold two or more values; `data` finds the other kinds.

    Without them, whole numbers that all differ would be set aside as ids.
    """
    told = []
    for name, column in frame.items():
        number = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)
        if number and column.nunique() > 1:
            told.append(f"{name}={'integer' if pd.api.types.is_integer_dtype(column.dtype) else 'number'}")
    return tuple(told)


def whole_columns(frame: pd.DataFrame) -> frozenset[str]:
    """Return the columns of numbers that are all whole."""
    numbers = frame.select_dtypes("number")
    return frozenset(str(name) for name, column in numbers.items() if bool((column.dropna() % 1 == 0).all()))


def _is_polars(X: Any) -> bool:
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(X, polars.DataFrame)

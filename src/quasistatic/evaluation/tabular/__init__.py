"""Judges samples of a table by comparing two tables of named columns: real rows, and samples of a model.

tables.py       tables matched by name, as numbers and categories       columns.py   each column's distribution
replicates.py   standard errors by leaving out groups of rows           pairs.py     each pair's dependence
trees.py        boosted trees and their features                        task.py      a column predicted from the others
neighbours.py   rows nearer to training data, exact copies              verdict.py   `compare_tables`: all of it
"""

from quasistatic.evaluation.tabular.options import TableOptions
from quasistatic.evaluation.tabular.tables import are_tables
from quasistatic.evaluation.tabular.verdict import TableFidelity, compare_tables

__all__ = ["TableFidelity", "TableOptions", "are_tables", "compare_tables"]

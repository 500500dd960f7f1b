"""Decides what the columns of a `Sheet` are.

cells.py     a column of any cells            numbers.py   numbers in text and with types
base.py      what is read, missing markers    dates.py     dates in text and with types
plan.py      which columns are learned, grouped, carried along or set aside
"""

"""Reads files of named columns, without deciding what a column is: that is `data.table`'s task.

sheet.py       what is read: named columns, text or typed      delimited.py   .csv and .tsv, plain or gzipped
typed.py       .parquet, .feather, .jsonl, .xlsx
"""

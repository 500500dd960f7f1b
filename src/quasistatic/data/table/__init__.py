"""Tables of numbers, whole numbers, categories, booleans and dates, with missing cells.

bins.py     bins of numbers             codec.py   a table's codec
column.py   the kinds of column         read.py    files → `Sheet` → `Plan` → data set
date.py     dates and times             align.py   a table in the columns of a model, by name
aside.py    columns not learned         write.py   raw values → .csv, .parquet, and what draws say of empty cells
kinds/      decides what columns are
"""

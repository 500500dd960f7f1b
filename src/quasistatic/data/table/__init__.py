"""Tables of numbers, whole numbers, categories and booleans, with missing cells.

column.py   the kinds of column           codec.py   a table's codec
scale.py    numbers ↔ states
read.py     .csv and .parquet → Table     align.py   a table in the columns of a model, by name
write.py    raw values → .csv, .parquet, and what draws say of empty cells
"""

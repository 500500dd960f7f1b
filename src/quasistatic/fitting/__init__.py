"""One call from data to a model.

    fit.py         reads the data, chooses a recipe, trains, returns the model
    progress.py    shows a run in a terminal or a notebook

It may import `recipes`, `training` and everything below them.
"""

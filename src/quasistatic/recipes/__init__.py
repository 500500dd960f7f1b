"""Recipes: configurations that work, one function for each kind of data (`kinds`), and their fit to data (`fit`)."""

from quasistatic.recipes.fit import fitted, fitting, recipe
from quasistatic.recipes.kinds import RECIPES, digits, fine, heartbeat, mnist, points, text

__all__ = ["RECIPES", "digits", "fine", "fitted", "fitting", "heartbeat", "mnist", "points", "recipe", "text"]

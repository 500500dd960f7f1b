"""From data to a model: recipes (`kinds`), the one that fits (`choice`), and training by it in one call (`fit`)."""

from quasistatic.recipes.choice import fitted, fitting, recipe
from quasistatic.recipes.kinds import RECIPES, digits, fine, heartbeat, mnist, points, text

__all__ = ["RECIPES", "digits", "fine", "fitted", "fitting", "heartbeat", "mnist", "points", "recipe", "text"]

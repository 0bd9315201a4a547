"""The recommended recipes: what a training is to be where the caller leaves it open.

choose    which recipe suits, with what the caller has said in the place of what it says
realmlp   the recommended one for tables, and a small one of its kind for a model in seconds
tabm      the one of the highest accuracy
images    for images and nothing else
sequences for steps over time and nothing else
plain     where a recipe would not make sense: a network of the caller's own, one without a target
"""

from engine.recipes.choice import Alone, choose
from engine.recipes.recipe import Recipe

__all__ = ["Alone", "Recipe", "choose"]

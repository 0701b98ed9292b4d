"""Which of the copies of a store is the live one: its generation, kept in it and beside it, and the gate
that lets no other copy act.

How copies are made, and made live, is in `copies`.
"""

from valetkey.generation.gate import Gate
from valetkey.generation.noticing import noticed
from valetkey.generation.rows import Generation, Generations, State
from valetkey.generation.words import explained

__all__ = ["Gate", "Generation", "Generations", "State", "explained", "noticed"]

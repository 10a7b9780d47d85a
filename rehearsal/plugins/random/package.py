"""All that the stand-in for the random plugin knows."""

import random

from rehearsal.plugins.random.password import RandomPassword
from rehearsal.plugins.resource import Package

PACKAGE = Package("random", {}, lambda config: random.SystemRandom(), (RandomPassword,))

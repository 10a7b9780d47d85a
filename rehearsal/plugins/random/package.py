"""Resources and functions of the random provider emulator."""

import random

from rehearsal.plugins.random.password import RandomPassword
from rehearsal.plugins.resource import Package

PACKAGE = Package("random", {}, lambda config: random.SystemRandom(), (RandomPassword,))

"""All packages, resources and functions of the emulators, for tests that cover them all."""

from typing import Any

from rehearsal.plugins.consul.package import PACKAGE as CONSUL
from rehearsal.plugins.digitalocean.package import PACKAGE as DIGITALOCEAN
from rehearsal.plugins.nomad.package import PACKAGE as NOMAD
from rehearsal.plugins.random.package import PACKAGE as RANDOM
from rehearsal.plugins.resource import Function, Package, Resource
from rehearsal.plugins.tls.package import PACKAGE as TLS

PACKAGES: list[Package[Any]] = [DIGITALOCEAN, NOMAD, CONSUL, RANDOM, TLS]
RESOURCES: list[type[Resource[Any]]] = [kind for package in PACKAGES for kind in package.resources]
FUNCTIONS: list[Function[Any]] = [
    function for package in PACKAGES for function in package.functions
]

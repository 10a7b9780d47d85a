"""One package for each resource of the API: routes (HTTP), schemas (JSON) and service (behaviour).

The packages do not import each other. They share the store, and the modules of this package.
"""

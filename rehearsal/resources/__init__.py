"""One room for each resource of the API: routes (HTTP only), shapes (as on the wire) and rules (behaviour).

No room imports another. What they share are the store, the states, and the modules beside this package.
"""

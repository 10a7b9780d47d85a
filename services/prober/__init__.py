"""prober: runs the checks of external nodes and writes their status to Consul's catalogue.

It follows consul-esm's contract, so consul-esm can replace it:

- It handles nodes with the meta ``external-node`` = ``true``.
- It runs their HTTP and TCP checks as registered, and updates them by compare-and-set.
- It deregisters a service that is critical for longer than its check allows.
- It writes the check ``externalNodeHealth`` of a node with ``external-probe`` = ``true``.

Unlike consul-esm it tests a node over TCP, which needs no privilege, and never removes a node.
"""

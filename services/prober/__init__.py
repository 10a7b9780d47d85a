"""prober: runs the checks of external nodes and keeps their status in Consul's catalog.

It keeps consul-esm's contract, so that consul-esm can take its place: nodes with the meta ``external-node`` = ``true``
are watched, the HTTP and TCP checks registered on them are run as defined and updated by compare-and-set, a service is
deregistered once critical for longer than its check allows, and a node with ``external-probe`` = ``true`` has its check
``externalNodeHealth`` kept. Unlike consul-esm it reaches nodes by TCP, for which a task needs no privilege, and never
removes a node.
"""

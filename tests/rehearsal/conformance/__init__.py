"""A conformance test: generated requests, whose responses must match the specification."""

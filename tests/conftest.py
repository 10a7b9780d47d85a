"""What every test may rely on, however the run was started."""

import signal


def pytest_configure() -> None:
    """Ctrl-C works in the programs that tests start: a run in the background inherits, and would hand on, that it is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)

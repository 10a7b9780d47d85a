"""Log lines: one JSON object a line on standard output."""

import json
import logging
import sys
from datetime import UTC, datetime


def log(level: str, event: str, **facts: object) -> None:
    """Write one line: when, how grave, what happened, and the facts about it."""
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": level,
        "event": event,
        **facts,
    }
    sys.stdout.write(json.dumps(line, default=str) + "\n")
    sys.stdout.flush()


class JsonLines(logging.Handler):
    """What libraries log, in the same lines."""

    def emit(self, record: logging.LogRecord) -> None:
        facts: dict[str, object] = {"logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            facts["error"] = repr(record.exc_info[1])
        log(record.levelname.lower(), record.getMessage(), **facts)


def capture_libraries() -> None:
    """Send the warnings of every library through ``log``."""
    logging.basicConfig(level=logging.WARNING, handlers=[JsonLines()], force=True)

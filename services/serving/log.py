"""Log lines on standard output, one JSON object each."""

import json
import logging
import sys
from datetime import UTC, datetime


def log(level: str, event: str, **fields: object) -> None:
    """Write one line with the time, the level, the event and further fields."""
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": level,
        "event": event,
        **fields,
    }
    sys.stdout.write(json.dumps(line, default=str) + "\n")
    sys.stdout.flush()


class JsonHandler(logging.Handler):
    """Writes the records of the standard library's ``logging`` in the same format."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, object] = {"logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = repr(record.exc_info[1])
        log(record.levelname.lower(), record.getMessage(), **fields)


def capture_library_warnings() -> None:
    """Write the warnings and errors of all libraries with ``log``."""
    logging.basicConfig(level=logging.WARNING, handlers=[JsonHandler()], force=True)

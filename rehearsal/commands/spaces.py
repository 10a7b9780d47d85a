"""``spaces``: serve the Spaces of a cloud of memory machines, which has no network, on a port of the loopback."""

import argparse
import signal
import socket
import sys
import threading

from rehearsal.lifecycle import clouds


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "spaces", help="serve the Spaces of a cloud of memory machines, in the foreground"
    )
    parser.add_argument("--cloud", default="rehearsal", metavar="NAME")
    parser.add_argument("--port", type=int, metavar="N", help="loopback port (default: a free one)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    try:
        config = clouds.find(options.cloud)
        clouds.check_port(options.port)
    except clouds.LifecycleError as error:
        print(error, file=sys.stderr)
        return 1
    if config.machines != "memory":
        print(
            f"Cloud {config.name} serves its Spaces itself: see SPACES_ENDPOINT_URL.",
            file=sys.stderr,
        )
        return 1
    from rehearsal.spaces import server as spaces_server

    try:
        with socket.create_server(("127.0.0.1", options.port or 0), backlog=128) as listener:
            server = spaces_server.server(config, listener, anywhere=True)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
            print(
                f"export SPACES_ENDPOINT_URL=http://127.0.0.1:{listener.getsockname()[1]}",
                flush=True,
            )
            server.serve_forever()
    except BlockingIOError:
        print(f"The Spaces of cloud {config.name} are served already.", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Port {options.port} cannot be listened on: {error.strerror}.", file=sys.stderr)
        return 1
    return 0

"""``spaces``: serve the Spaces of a cloud of memory machines on a loopback port."""

import argparse
import signal
import socket
import sys
import threading

from rehearsal.commands.arguments import Subparsers, add_cloud, add_command
from rehearsal.lifecycle import configuration
from rehearsal.lifecycle.errors import UsageError


def add(subparsers: Subparsers) -> None:
    parser = add_command(
        subparsers,
        "spaces",
        "Serve the Spaces of a cloud of memory machines, which has no network, in the foreground.",
    )
    add_cloud(parser)
    parser.add_argument(
        "--port", type=int, metavar="N", help="The loopback port. Default: a free one."
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    config = configuration.find(args.cloud)
    configuration.check_port(args.port)
    if config.machines != "memory":
        raise UsageError(
            f"Cloud {config.name} serves its Spaces itself: see SPACES_ENDPOINT_URL "
            f"in `python -m rehearsal env --cloud {config.name}`."
        )
    from rehearsal.spaces.server import create_server

    try:
        with socket.create_server(("127.0.0.1", args.port or 0), backlog=128) as listener:
            server = create_server(config, listener, any_host=True)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
            print(
                f"export SPACES_ENDPOINT_URL=http://127.0.0.1:{listener.getsockname()[1]}",
                flush=True,
            )
            server.serve_forever()
    except BlockingIOError:
        print(f"Another process serves the Spaces of cloud {config.name} already.", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Cannot listen on port {args.port}: {error.strerror}.", file=sys.stderr)
        return 1
    return 0

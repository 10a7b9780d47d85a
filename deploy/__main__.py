"""``python -m deploy COMMAND STACK``: see ``--help``."""

import os
import signal
import sys

from pulumi import automation

from deploy import commands, failure, signals
from deploy.commands.command import FAILED, INTERRUPTED, OK, USAGE, Command
from deploy.errors import DeployError, UsageError
from deploy.terminal import Terminal
from infra.digitalocean_api import ApiError


def main(argv: list[str] | None = None) -> int:
    """Run one command; return its exit code."""
    args = commands.parser().parse_args(argv)
    command = Command(args, Terminal(is_verbose=args.verbose))
    os.environ.setdefault("PULUMI_SKIP_UPDATE_CHECK", "true")
    try:
        code: int = args.run(command)
        return code
    except UsageError as error:
        return command.fail(str(error), USAGE)
    except automation.CommandError as error:
        return command.fail(failure.of_command(error, args.stack).message, FAILED)
    except (DeployError, ApiError, automation.InvalidVersionError) as error:
        return command.fail(str(error), FAILED)
    except FileNotFoundError as error:
        if error.filename != "pulumi":
            raise
        return command.fail("pulumi is not on PATH; run `make setup`", FAILED)
    except BrokenPipeError:
        # Without this, the flush at exit would fail too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        return command.fail("interrupted", INTERRUPTED)


if __name__ == "__main__":
    with signals.handled(signal.default_int_handler):
        sys.exit(main())

"""Instructions for each client of a cloud: environment variables, and comments with examples."""

import os

from rehearsal.config import CloudConfig
from rehearsal.lifecycle.environment import (
    client_variables,
    format_exports,
    proxy_bypass_variables,
)

PROXY_VARIABLES = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"}


def format_instructions(config: CloudConfig) -> str:
    """Return ``export`` lines, and for each client a comment with its further settings."""
    variables = client_variables(config)
    if PROXY_VARIABLES & os.environ.keys():
        variables |= proxy_bypass_variables(config)
    notes = _client_notes(config) | {
        "Spaces, any S3 client": spaces_note(config),
        "this checkout's program": [f'eval "$(make -s env CLOUD={config.name})"'],
    }
    exports = format_exports(variables)
    return "\n\n".join(
        [
            f"# For any client of the API. These lines contain secrets.\n{exports}",
            *(format_comment(client, lines) for client, lines in notes.items()),
        ]
    )


def format_comment(title: str, lines: list[str]) -> str:
    """Return ``lines`` below ``title`` as a comment of a shell script."""
    return "\n".join(f"# {line}" for line in [f"{title}:", *(f"  {line}" for line in lines)])


def spaces_note(config: CloudConfig) -> list[str]:
    """Return how S3 clients use the cloud's Spaces.

    Without a network Spaces has no host name. SPACES_ENDPOINT_URL is set nevertheless: otherwise
    clients would use the real Spaces.
    """
    if config.machines == "memory":
        return [
            "nothing answers at SPACES_ENDPOINT_URL above; it only keeps clients off the real one",
            f"python -m rehearsal spaces --cloud {config.name}",
            "serves Spaces in the foreground and prints the variable to set; path-style only, so "
            "bucket resources of Pulumi and Terraform cannot use it",
        ]
    endpoint = f"http://{config.spaces_host}".replace("{{.Region}}", "nyc3")
    return [
        f"endpoint {endpoint}, and one per region; signatures for us-east-1; for the AWS CLI:",
        'AWS_ACCESS_KEY_ID="$SPACES_ACCESS_KEY_ID" '
        'AWS_SECRET_ACCESS_KEY="$SPACES_SECRET_ACCESS_KEY" AWS_REGION=us-east-1 \\',
        f"  aws --endpoint-url {endpoint} s3 ls",
        f"buckets in the host name: python -m rehearsal resolve --cloud {config.name} BUCKET",
    ]


def _client_notes(config: CloudConfig) -> dict[str, list[str]]:
    url = config.api_url
    return {
        "curl": [
            'curl --header "Authorization: Bearer $DIGITALOCEAN_TOKEN" '
            '"$DIGITALOCEAN_API_URL/v2/account"'
        ],
        "Pulumi, any program": [
            "reads the variables; or in its configuration:",
            f"pulumi config set digitalocean:apiEndpoint {url}",
            'pulumi config set --secret digitalocean:token "$DIGITALOCEAN_TOKEN"',
        ],
        "Terraform": [
            "reads the variables; or in its configuration:",
            f'provider "digitalocean" {{ api_endpoint = "{url}" }}',
        ],
        "Packer": [
            "reads the variables; or in its source:",
            f'source "digitalocean" "base" {{ api_url = "{url}" }}',
        ],
        "pydo": [
            f'Client(os.environ["DIGITALOCEAN_TOKEN"], endpoint="{url}", '
            "per_call_policies=[PlainHttp()])",
            "PlainHttp sends a token without TLS: docs/rehearsal.md, Other clients",
        ],
        "godo": [
            "godo.New(oauth2.NewClient(ctx, oauth2.StaticTokenSource("
            f'&oauth2.Token{{AccessToken: token}})), godo.SetBaseURL("{url}/"))'
        ],
        "doctl": [f'doctl --api-url {url} --access-token "$DIGITALOCEAN_TOKEN" account get'],
    }

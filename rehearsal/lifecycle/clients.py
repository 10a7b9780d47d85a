"""What to set so that each client works with a cloud: said to people, in lines to copy."""

import os

from rehearsal.config import CloudConfig
from rehearsal.lifecycle.environment import as_shell, client, direct

SPACES_WITHOUT_NAMES = """\
nothing answers at SPACES_ENDPOINT_URL above: it keeps clients from turning to the real one
python -m rehearsal spaces --cloud {cloud}
serves it in the foreground and prints the line to set; path style only: bucket resources of Pulumi and Terraform cannot use it"""
"""Memory machines have no network in which Spaces could have names."""
PROXIES = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"}


def told(config: CloudConfig) -> str:
    """Lines that a shell takes as they are: variables, and a comment for each client with all that it needs besides."""
    variables = {**client(config), **(direct(config) if PROXIES & os.environ.keys() else {})}
    parts = [f"# For any client of the API. The secrets are in these lines.\n{as_shell(variables)}"]
    return "\n\n".join(
        [*parts, *(as_comment(name, lines) for name, lines in _notes(config).items())]
    )


def as_comment(name: str, lines: list[str]) -> str:
    """``lines`` under their name, which a shell takes no notice of."""
    return "\n".join(f"# {line}" for line in [f"{name}:", *(f"  {line}" for line in lines)])


def _notes(config: CloudConfig) -> dict[str, list[str]]:
    url, endpoint = config.api_url, f"http://{config.spaces_host}"
    notes = {
        "curl": [
            'curl --header "Authorization: Bearer $DIGITALOCEAN_TOKEN" "$DIGITALOCEAN_API_URL/v2/account"'
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
            f'Client(os.environ["DIGITALOCEAN_TOKEN"], endpoint="{url}", per_call_policies=[PlainHttp()])',
            "PlainHttp lets a token travel without TLS: docs/rehearsal.md, Other clients",
        ],
        "godo": [
            f'godo.New(oauth2.NewClient(ctx, oauth2.StaticTokenSource(&oauth2.Token{{AccessToken: token}})), godo.SetBaseURL("{url}/"))'
        ],
        "doctl": [f'doctl --api-url {url} --access-token "$DIGITALOCEAN_TOKEN" account get'],
    }
    if config.machines == "memory":
        notes["Spaces, any S3 client"] = SPACES_WITHOUT_NAMES.format(cloud=config.name).splitlines()
    else:
        notes["Spaces, any S3 client"] = [
            f"endpoint {endpoint.replace('{{.Region}}', 'nyc3')}, likewise for each region; signatures for us-east-1; for the AWS CLI:",
            'AWS_ACCESS_KEY_ID="$SPACES_ACCESS_KEY_ID" AWS_SECRET_ACCESS_KEY="$SPACES_SECRET_ACCESS_KEY" AWS_REGION=us-east-1 \\',
            f"  aws --endpoint-url {endpoint.replace('{{.Region}}', 'nyc3')} s3 ls",
            f"buckets in the host name: python -m rehearsal resolve --cloud {config.name} BUCKET",
        ]
    notes["this checkout's program"] = [f'eval "$(make -s env CLOUD={config.name})"']
    return notes

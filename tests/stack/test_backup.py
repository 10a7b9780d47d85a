"""A backup, the loss of all primes, and a restore into the new cluster, on real machines.

The management tokens are rotated after the backup, so the restored cluster does not know them.
"""

import base64
from typing import Any

import boto3
from mypy_boto3_s3 import S3Client

from infra.mtls import session
from tests.stack.rig import Rig, wait_for

KEYS = {"app/colour": b"blue", "app/binary": bytes(range(256))}
VARIABLE = {"Path": "app/config", "Items": {"password": "correct horse"}}
JOB = "operators-own"


def put_data(rig: Rig) -> dict[str, str]:
    """Create keys, a variable, policies, tokens and a job; return the secrets of the tokens."""
    for key, value in KEYS.items():
        put_key(rig, key, value)
    rig.nomad("/v1/var/app/config", "PUT", management=True, **VARIABLE)
    rig.consul(
        "/v1/acl/policy",
        "PUT",
        management=True,
        Name="own",
        Rules='key_prefix "app/" {policy="read"}',
    )
    consul = rig.consul(
        "/v1/acl/token", "PUT", management=True, Description="own", Policies=[{"Name": "own"}]
    )
    rules = 'namespace "default" { variables { path "app/*" { capabilities = ["read"] } } }'
    rig.nomad("/v1/acl/policy/own", "POST", management=True, Name="own", Rules=rules)
    nomad = rig.nomad(
        "/v1/acl/token", "POST", management=True, Name="own", Type="client", Policies=["own"]
    )
    task: dict[str, Any] = {"Name": "sleep", "Driver": "exec", "User": "nobody"}
    # The first process of a task ignores SIGTERM unless it handles it, which delays a reboot.
    program = "import signal, sys, time; signal.signal(signal.SIGTERM, sys.exit); time.sleep(86400)"
    task |= {"Config": {"command": "/usr/bin/python3", "args": ["-c", program]}}
    task |= {"Resources": {"CPU": 50, "MemoryMB": 50}}
    group = {"Name": "group", "Count": 2, "Tasks": [task]}
    job = {"ID": JOB, "Name": JOB, "Datacenters": ["*"], "TaskGroups": [group]}
    rig.nomad("/v1/jobs", "POST", management=True, Job=job)
    assert wait_for(lambda: running(rig) == 2), "the job does not run"
    return {"consul": consul["SecretID"], "nomad": nomad["SecretID"]}


def put_key(rig: Rig, key: str, value: bytes) -> None:
    access = rig.access(management=True)
    http = session(access, {"X-Consul-Token": access["consul_token"]})
    http.put(f"{access['consul'][0]}/v1/kv/{key}", data=value, timeout=10).raise_for_status()


def running(rig: Rig) -> int:
    allocations = rig.nomad(f"/v1/job/{JOB}/allocations", management=True)
    return sum(allocation["ClientStatus"] == "running" for allocation in allocations)


def read_data(rig: Rig, tokens: dict[str, str]) -> tuple[dict[str, bytes], Any]:
    """Return keys and variable as the tokens of ``put_data`` read them."""
    access = rig.access()
    consul = session(access, {"X-Consul-Token": tokens["consul"]})
    keys = consul.get(f"{access['consul'][0]}/v1/kv/app/?recurse", timeout=10).json()
    nomad = session(access, {"X-Nomad-Token": tokens["nomad"]})
    variable = nomad.get(f"{access['nomad'][0]}/v1/var/app/config", timeout=10).json()
    return (
        {item["Key"]: base64.b64decode(item["Value"]) for item in keys},
        {name: variable[name] for name in VARIABLE},
    )


def take_on_prime(rig: Rig) -> str:
    """Make the prime take a backup, which is due without any, and return its name."""
    buckets, bucket = s3(rig)
    for stored in buckets.list_objects_v2(Bucket=bucket)["Contents"]:
        buckets.delete_object(Bucket=bucket, Key=stored["Key"])
    for _ in range(2):  # The second time, none is due.
        started = rig.ssh("prime01nyc3", "systemctl start take-backup.service")
        assert started.code == 0, started.output
    listed = rig.deploy("backup", "--list", "--json")
    assert listed.code == 0, listed.stderr
    [backup] = listed.json["backups"]
    assert backup["taken_by"] == "prime01nyc3"
    return str(backup["name"])


def s3(rig: Rig) -> tuple[S3Client, str]:
    """Return a client with the account's key, and the name of the bucket of backups."""
    client = boto3.client(
        "s3",
        endpoint_url=rig.environment["SPACES_ENDPOINT_URL"].replace("{{.Region}}", "nyc3"),
        region_name="us-east-1",
        aws_access_key_id=rig.environment["SPACES_ACCESS_KEY_ID"],
        aws_secret_access_key=rig.environment["SPACES_SECRET_ACCESS_KEY"],
    )
    [bucket] = [
        resource["id"] for resource in rig.resources if resource["urn"].endswith("::backups-bucket")
    ]
    return client, bucket


def test_data_of_a_lost_cluster_are_restored(disposable: Rig) -> None:
    rig = disposable
    tokens = put_data(rig)
    taken = rig.deploy("backup", "--json")
    assert taken.code == 0, taken.stderr
    contents = taken.json["contents"]
    assert contents["keys"] >= len(KEYS) and contents["jobs"] == 4, contents
    assert contents["variables"] == 1
    backup = take_on_prime(rig)
    rotated = rig.deploy("rotate", "tokens", "--yes")
    assert rotated.code == 0, rotated.stderr

    for name, droplet in rig.droplets().items():
        if name.startswith("prime"):
            rig.api(f"/v2/droplets/{droplet['id']}", "DELETE")
    rig.up()
    assert rig.consul("/v1/kv/?keys", management=True) != [], "control: the new cluster works"
    assert not any(job["ID"] == JOB for job in rig.nomad("/v1/jobs", management=True))

    restored = rig.deploy("restore", backup, "--yes", "--json")
    print(restored.stderr)
    assert restored.code == 0, restored.stderr[-4000:]
    assert read_data(rig, tokens) == (KEYS, VARIABLE)
    assert wait_for(lambda: running(rig) == 2), "the job of the backup does not run"
    after = restored.json["after"]
    for kind in ("jobs", "variables", "intentions", "Consul policies", "Nomad policies"):
        assert after[kind] == contents[kind], kind
    assert all(answer["backserve"]["instance"] for answer in rig.answers())
    verified = rig.deploy("verify")
    assert verified.code == 0 and "WARNING" not in verified.output, verified.output
    preview = rig.deploy("preview", "--expect-no-changes")
    assert preview.code == 0, preview.output

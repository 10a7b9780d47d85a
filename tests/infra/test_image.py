"""The base image: when it is built, what remains of a build, and who may delete it."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.dynamic import Config, ConfigureRequest, CreateResult
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.runtime import mocks

from infra.digitalocean_api import ApiError, DigitalOceanApi, connect
from infra.image import provider as image_provider
from infra.image.api import ImageApi
from infra.image.base_image import BaseImageArgs, content_hash, forecast, owner_label
from infra.image.build import BuildError
from infra.image.claims import content_tag
from infra.image.provider import IMAGES, ImageProvider, VersionError, next_name
from infra.names import is_build_of
from tests.infra.support.image_account import TOKEN, FakeAccount, install_packer, serve

ROOT = Path(__file__).parents[2]
PROPS: dict[str, Any] = {
    "name": "base",
    "content": "0123456789abcdef",
    "owner": "slipway-dev",
    "region": "nyc3",
    "variables": {
        "consul_version": "1.22.3",
        "nomad_version": "1.11.3",
        "size": "s-1vcpu-1gb",
        "releases_url": "http://r",
        "releases_key_file": "",
    },
}
CONTENT = "content-0123456789abcdef"


@pytest.fixture
def account() -> Iterator[FakeAccount]:
    with serve() as fake:
        yield fake


@pytest.fixture
def provider(account: FakeAccount) -> ImageProvider:
    """As the engine configures it, with the token in the stack's settings alone."""
    made = ImageProvider()
    made.configure(
        ConfigureRequest(
            Config(
                {"digitalocean:token": TOKEN, "digitalocean:apiEndpoint": account.url}, "slipway"
            )
        )
    )
    return made


@pytest.fixture
def packer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    def install(mode: str) -> Path:
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return install_packer(tmp_path, mode)

    return install


def calls(log: Path) -> list[list[str]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.05)


def nothing_left(account: FakeAccount) -> bool:
    return (
        not account.droplets
        and not account.keys
        and not any(image["name"].startswith("image-build") for image in account.images)
    )


# What the image is made of


def variables(**change: str) -> dict[str, str]:
    return {
        **BaseImageArgs(
            region="nyc3", consul_version="1.22.3", nomad_version="1.11.3", **change
        ).variables()
    }


def test_content_follows_files_versions_size_and_key_but_not_the_address(tmp_path: Path) -> None:
    template = tmp_path / "base"
    shutil.copytree(IMAGES / "base", template)
    key = tmp_path / "key.asc"
    key.write_text("a key")
    seen = {content_hash(template, variables())}
    assert content_hash(template, variables(releases_url="http://elsewhere")) in seen
    seen.add(content_hash(template, {**variables(), "nomad_version": "1.11.4"}))
    seen.add(content_hash(template, variables(size="s-2vcpu-2gb")))
    seen.add(content_hash(template, variables(releases_key=str(key))))
    key.write_text("another key")
    seen.add(content_hash(template, variables(releases_key=str(key))))
    script = template / "scripts/install-node.sh"
    script.chmod(0o644)
    seen.add(content_hash(template, variables()))
    script.write_text(script.read_text() + "\n")
    seen.add(content_hash(template, variables()))
    script.rename(script.with_name("other.sh"))
    seen.add(content_hash(template, variables()))
    assert len(seen) == 8 and all(len(digits) == 16 for digits in seen)


def test_names_count_within_a_day() -> None:
    taken = [
        "base.2026.01.31.1",
        "base.2026.01.31.10",
        "base.2026.01.30.99",
        "base.2026.01.31.x",
        "other",
    ]
    assert next_name("base", "2026.01.31", taken) == "base.2026.01.31.11"
    assert next_name("base", "2026.02.01", taken) == "base.2026.02.01.1"


def test_a_build_is_told_from_that_of_a_stack_with_a_longer_name() -> None:
    assert is_build_of("slipway-dev", "image-build-slipway-dev-0123abcd")
    assert not is_build_of("slipway-dev", "image-build-slipway-dev-2-0123abcd")
    assert owner_label("my_project.x-dev") == "my-project-x-dev"


# Making it


def test_a_new_image_is_built_named_and_tagged(
    account: FakeAccount, provider: ImageProvider, packer: Callable[[str], Path]
) -> None:
    log = packer("ok")
    made = provider.create(dict(PROPS))
    [image] = account.images
    assert made.id == str(image["id"]) and made.outs
    assert made.outs["image_id"] == made.id and made.outs["image_name"] == image["name"]
    assert image["name"].startswith("base.") and image["name"].endswith(".1")
    assert image["tags"] == ["base-image", CONTENT, made.outs["claim"]] and made.outs[
        "claim"
    ].startswith("used-by-slipway-dev:")
    assert nothing_left(account)
    init, build = calls(log)
    assert init == ["init", str(IMAGES / "base")]
    assert build[:3] == ["build", "-color=false", "-only=base.digitalocean.base"] and build[
        -1
    ] == str(IMAGES / "base")
    given = dict(word.split("=", 1) for flag, word in pairwise(build) if flag == "-var")
    assert {key: given[key] for key in PROPS["variables"]} == PROPS["variables"]
    assert (
        given["region"] == "nyc3"
        and given["ssh_key_id"].isdigit()
        and not Path(given["ssh_private_key_file"]).exists()
    )
    assert TOKEN not in " ".join(build)


def test_an_image_that_is_there_is_used_and_transferred_where_it_lacks(
    account: FakeAccount, provider: ImageProvider, packer: Callable[[str], Path]
) -> None:
    log = packer("ok")
    there = account.add_image(
        "base.2026.01.31.1", ["ams3"], ["base-image", CONTENT, "used-by-slipway-other:00000000"]
    )
    made = provider.create(dict(PROPS))
    assert made.id == str(there) and calls(log) == []
    assert account.images[0]["regions"] == ["ams3", "nyc3"]


def test_a_build_that_was_complete_but_never_named_is_finished(
    account: FakeAccount, provider: ImageProvider
) -> None:
    account.add_image("image-build-slipway-dev-0123abcd", ["nyc3"], ["base-image", CONTENT])
    made = provider.create(dict(PROPS))
    assert made.outs and made.outs["image_name"].startswith("base.") and len(account.images) == 1


def test_a_build_of_another_content_that_was_never_claimed_is_removed(
    account: FakeAccount, provider: ImageProvider, packer: Callable[[str], Path]
) -> None:
    packer("ok")
    account.add_image(
        "image-build-slipway-dev-0123abcd", ["nyc3"], ["base-image", "content-ffffffffffffffff"]
    )
    made = provider.create(dict(PROPS))
    assert [str(image["id"]) for image in account.images] == [made.id]


def test_stacks_that_build_the_same_at_once_each_claim_their_own(
    account: FakeAccount, provider: ImageProvider, packer: Callable[[str], Path]
) -> None:
    """Both find no image, so both build one. Each is deleted with its own stack."""
    packer("meet")
    made: list[CreateResult] = []
    owners = ("slipway-one", "slipway-two")
    threads = [
        threading.Thread(
            target=lambda owner=owner: made.append(provider.create({**PROPS, "owner": owner}))
        )
        for owner in owners
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({image["name"] for image in account.images}) == len({one.id for one in made}) == 2
    for image in account.images:
        assert (
            image["name"].startswith("base.")
            and len([tag for tag in image["tags"] if tag.startswith("used-by-")]) == 1
        )
    for one in made:
        assert one.outs
        provider.delete(one.id, one.outs)
    assert account.images == [] and account.tags == set() and nothing_left(account)


def test_name_conflict_leads_to_another_name(
    account: FakeAccount, provider: ImageProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API lets two images have one name: the choice is looked at again."""
    chosen = iter(["base.2026.01.31.1", "base.2026.01.31.2"])
    monkeypatch.setattr(image_provider, "next_name", lambda *_: next(chosen))
    account.add_image("base.2026.01.31.1", ["nyc3"], [])
    account.add_image("image-build-slipway-dev-0123abcd", ["nyc3"], ["base-image", CONTENT])
    made = provider.create(dict(PROPS))
    assert made.outs and made.outs["image_name"] == "base.2026.01.31.2"


def test_droplet_limit_is_checked_before_packer_runs(
    account: FakeAccount, provider: ImageProvider, packer: Callable[[str], Path]
) -> None:
    log = packer("ok")
    account.droplet_limit = 1
    account.add(account.droplets, "somebody's")
    with pytest.raises(
        BuildError, match="on a droplet of its own, but the account already has 1 of 1 droplets"
    ):
        provider.create(dict(PROPS))
    assert calls(log) == []


def test_a_failing_script_is_named_and_leaves_nothing(
    account: FakeAccount, provider: ImageProvider, packer: Callable[[str], Path]
) -> None:
    packer("fail")
    account.locked = 1
    with pytest.raises(
        BuildError, match=r"Packer failed in install-node\.sh \(exit 1\):\n(.*\n)*==> no space left"
    ):
        provider.create(dict(PROPS))
    assert account.images == [] and nothing_left(account)


def test_a_build_without_packer_names_the_remedy(
    account: FakeAccount, provider: ImageProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match="packer is not on PATH; run `make setup`"):
        provider.create(dict(PROPS))
    assert nothing_left(account)


BUILDER = """
import sys
from infra.image.build import Build, build
what = Build(name="image-build-slipway-dev-0123abcd", template="t", region="nyc3", variables={},
             tags=["base-image", "content-x"])
build(what, sys.argv[1], sys.argv[2], lambda line: print(line, flush=True))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_build_whose_parent_dies_leaves_nothing(
    number: signal.Signals, account: FakeAccount, packer: Callable[[str], Path]
) -> None:
    packer("hang")
    asker = subprocess.Popen(
        [sys.executable, "-c", BUILDER, account.url, TOKEN],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert asker.stdout
    with asker, asker.stdout as lines:
        assert any("hanging" in line for line in lines)
        assert account.droplets and account.keys and account.images
        asker.send_signal(number)
    until(lambda: nothing_left(account))


def test_what_an_earlier_build_left_is_removed_and_others_builds_are_not(
    account: FakeAccount, provider: ImageProvider, packer: Callable[[str], Path]
) -> None:
    packer("ok")
    other = "image-build-slipway-dev-2-0123abcd"
    for name in ("image-build-slipway-dev-0123abcd", other):
        account.add(account.droplets, name)
        account.add(account.keys, name)
        account.add_image(name, ["nyc3"], [])
    provider.create(dict(PROPS))
    assert [droplet["name"] for droplet in account.droplets] == [other]
    assert [key["name"] for key in account.keys] == [other]
    assert sorted(image["name"].startswith("base.") for image in account.images) == [False, True]


# Changing, losing, deleting it


def test_only_content_replaces_and_only_region_updates(provider: ImageProvider) -> None:
    old = {**PROPS, "image_id": "1", "claim": "c"}
    same = provider.diff(
        "1", old, {**PROPS, "variables": {}, "owner": "renamed", "__provider": "other"}
    )
    moved = provider.diff("1", old, {**PROPS, "region": "ams3"})
    changed = provider.diff("1", old, {**PROPS, "content": "f" * 16})
    assert (same.changes, same.replaces) == (False, [])
    assert (moved.changes, moved.replaces) == (True, [])
    assert (changed.changes, changed.replaces, changed.delete_before_replace) == (
        True,
        ["content"],
        False,
    )


@pytest.mark.parametrize("setting", ["consul_version", "nomad_version"])
def test_a_lower_version_is_refused_before_anything_changes(
    provider: ImageProvider, setting: str
) -> None:
    old = {**PROPS, "variables": {setting: "1.10.2"}}
    higher = {**PROPS, "variables": {setting: "1.11.0"}, "content": "f" * 16}
    assert provider.diff("1", old, higher).replaces == ["content"]
    with pytest.raises(VersionError, match=rf"slipway:{setting} is 1\.9\.9, .* runs 1\.10\.2"):
        provider.diff("1", old, {**PROPS, "variables": {setting: "1.9.9"}})


def test_another_region_gets_the_same_image(account: FakeAccount, provider: ImageProvider) -> None:
    image_id = account.add_image("base.2026.01.31.1", ["nyc3"], [CONTENT])
    old = {**PROPS, "image_name": "base.2026.01.31.1", "claim": "used-by-slipway-dev:0"}
    updated = provider.update(str(image_id), old, {**PROPS, "region": "ams3"})
    assert account.images[0]["regions"] == ["nyc3", "ams3"]
    assert (
        updated.outs
        and updated.outs["image_id"] == str(image_id)
        and updated.outs["claim"] == old["claim"]
    )
    account.images.clear()
    with pytest.raises(ApiError, match=r"base\.2026\.01\.31\.1 is gone .*pulumi refresh"):
        provider.update(str(image_id), old, {**PROPS, "region": "ams3"})


def test_refresh_detects_a_deleted_image(account: FakeAccount, provider: ImageProvider) -> None:
    image_id = account.add_image("base.2026.01.31.1", ["nyc3"], [CONTENT])
    assert provider.read(str(image_id), {**PROPS}).id == str(image_id)
    assert provider.read("999", {**PROPS}).id is None


def test_an_image_is_kept_for_its_other_users_and_goes_with_the_last(
    account: FakeAccount, provider: ImageProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    account.add_image("base.2026.01.31.1", ["nyc3"], ["base-image", CONTENT])
    mine = provider.create(dict(PROPS))
    theirs = provider.create({**PROPS, "owner": "slipway-two"})
    assert mine.outs and theirs.outs
    provider.delete(mine.id, mine.outs)
    assert [image["tags"] for image in account.images] == [
        ["base-image", CONTENT, theirs.outs["claim"]]
    ]
    assert (
        "image base.2026.01.31.1 is kept, because these stacks use it: slipway-two"
        in capsys.readouterr().err
    )
    provider.delete(theirs.id, theirs.outs)
    assert account.images == [] and account.tags == set()
    provider.delete(theirs.id, theirs.outs)


def test_a_replacement_that_finds_the_same_image_keeps_it(
    account: FakeAccount, provider: ImageProvider
) -> None:
    account.add_image("base.2026.01.31.1", ["nyc3"], ["base-image", CONTENT])
    old, new = provider.create(dict(PROPS)), provider.create(dict(PROPS))
    assert old.outs and new.outs
    provider.delete(old.id, old.outs)
    assert account.images[0]["tags"] == ["base-image", CONTENT, new.outs["claim"]]


# The API's refusals


def test_api_errors_name_request_and_cause(
    account: FakeAccount, provider: ImageProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.refuse["GET", "/v2/images"] = 403
    with pytest.raises(ApiError, match=r"answers 403 to GET /v2/images: not today"):
        provider.create(dict(PROPS))
    with pytest.raises(ApiError, match=r"rejects the token \(401\)"):
        ImageApi(DigitalOceanApi(account.url, "wrong")).get(1)
    with pytest.raises(
        ApiError, match=r"http://127\.0\.0\.1:1 cannot be reached for GET /v2/images/1"
    ):
        ImageApi(DigitalOceanApi("http://127.0.0.1:1", TOKEN)).get(1)
    for variable in ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ApiError, match="no API token: set DIGITALOCEAN_TOKEN"):
        connect(lambda key: None)


# In the program


def test_the_provider_is_kept_by_name_and_holds_no_secret(provider: ImageProvider) -> None:
    pickled = base64.b64decode(serialize_provider(ImageProvider()))
    assert (
        image_provider.__name__.encode() in pickled
        and TOKEN.encode() not in pickled
        and len(pickled) < 200
    )


class Program(mocks.Mocks):
    """The engine of a preview: knows no outputs."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"no answer prepared for {args.token}")


def test_preview_reports_what_an_update_would_do(
    account: FakeAccount, packer: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = packer("ok")
    mocks.set_mocks(Program(), project="slipway", stack="dev", preview=True)
    pulumi.runtime.set_all_config(
        {"digitalocean:token": TOKEN, "digitalocean:apiEndpoint": account.url}
    )
    try:
        assert (
            forecast(PROPS["content"], "nyc3")
            == f"would be built, with the tag {content_tag(PROPS['content'])}"
        )
        account.add_image("base.2026.01.31.1", ["nyc3"], [CONTENT])
        assert forecast(PROPS["content"], "nyc3") == "exists as base.2026.01.31.1"
        assert (
            forecast(PROPS["content"], "ams3")
            == "exists as base.2026.01.31.1, would be transferred to ams3"
        )
        account.refuse["GET", "/v2/images"] = 403
        assert "unknown, because a request failed" in forecast(PROPS["content"], "nyc3")
    finally:
        pulumi.runtime.set_all_config({})
    assert calls(log) == []

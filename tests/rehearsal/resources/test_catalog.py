"""The account, sizes, regions and images that the cloud offers."""

from tests.rehearsal.support.client import Client


def test_account(api: Client) -> None:
    account = api("GET", "/v2/account")["account"]
    assert (account["status"], account["email_verified"]) == ("active", True)


def test_sizes_have_real_prices(api: Client) -> None:
    sizes = {size["slug"]: size for size in api("GET", "/v2/sizes?per_page=200")["sizes"]}
    small = sizes["s-1vcpu-1gb"]
    assert (small["memory"], small["vcpus"], small["disk"], small["transfer"]) == (1024, 1, 25, 1.0)
    assert (small["price_monthly"], small["price_hourly"]) == (6.0, 0.00893)


def test_regions_and_sizes_agree(api: Client) -> None:
    sizes = api("GET", "/v2/sizes?per_page=200")["sizes"]
    for region in api("GET", "/v2/regions?per_page=200")["regions"]:
        assert region["sizes"] == [
            size["slug"] for size in sizes if region["slug"] in size["regions"]
        ]
        assert region["available"] == bool(region["sizes"])


def test_the_stock_image_is_found_by_slug_and_id(api: Client) -> None:
    image = api("GET", "/v2/images/debian-12-x64")["image"]
    assert api("GET", f"/v2/images/{image['id']}")["image"] == image
    assert (image["public"], image["type"], image["distribution"]) == (True, "base", "Debian")
    api("GET", "/v2/images/debian-99-x64", expect=404)


def test_a_new_account_has_no_certificates(api: Client) -> None:
    assert api("GET", "/v2/certificates?name=www")["certificates"] == []
    api("GET", "/v2/certificates/892071a0-bb95-49bc-8021-3afd67a210bf", expect=404)

"""Which hosts a list lets through: names, ports, addresses, and the tricks that go with them."""

from ipaddress import ip_address

import pytest

from dispatcher.core.hosts import is_public, parse_host, parse_hosts, unwrap

PUBLIC = ip_address("93.184.215.14")


@pytest.mark.parametrize(
    ("listed", "host", "port", "goes"),
    [
        ("example.com", "example.com", 443, True),
        ("example.com", "EXAMPLE.com.", 80, True),
        ("example.com", "example.com", 22, False),
        ("example.com", "www.example.com", 443, False),
        ("example.com", "example.com.evil.org", 443, False),
        ("example.com", "notexample.com", 443, False),
        ("*.example.com", "www.example.com", 443, True),
        ("*.example.com", "a.b.example.com", 443, True),
        ("*.example.com", "example.com", 443, False),
        ("*.example.com", "evilexample.com", 443, False),
        ("example.com:8443", "example.com", 8443, True),
        ("example.com:8443", "example.com", 443, False),
        ("example.com:*", "example.com", 22, True),
        ("10.1.2.0/24", "10.1.2.3", 443, True),
        ("10.1.2.0/24", "10.1.3.3", 443, False),
        ("10.1.2.3:8080", "10.1.2.3", 8080, True),
        ("10.1.2.3", "::ffff:10.1.2.3", 443, True),
        ("[::1]:8080", "[::1]", 8080, True),
        ("::1", "127.0.0.1", 443, False),
        ("localhost:3000", "localhost", 3000, True),
    ],
)
def test_a_list_lets_through_what_it_names_and_nothing_else(listed, host, port, goes):
    assert parse_hosts([listed]).allows_host(host, port) is goes


def test_an_empty_list_lets_nothing_through():
    assert not parse_hosts([]).allows_host("example.com", 443)


@pytest.mark.parametrize(
    "text", ["", "*", "*.", "exa mple.com", "https://example.com", "example.com/path", "example.com:0",
             "example.com:99999", "1234567", "127.1", "-a.com", "user@example.com", "a..b", "x" * 260, "10.0.0.0/33"],
)  # fmt: skip
def test_what_is_no_host_is_refused(text):
    with pytest.raises(ValueError, match=r"is no host|names no port"):
        parse_host(text)


@pytest.mark.parametrize(
    "inside",
    ["127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
     "240.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe",
     "2002:7f00:1::1"],
)  # fmt: skip
def test_an_address_inside_the_house_is_not_public_in_any_clothes(inside):
    assert not is_public(ip_address(inside))
    assert not parse_hosts(["example.com"]).allows_address(ip_address(inside), 443)


def test_a_public_address_is_reached_through_any_listed_name():
    assert parse_hosts(["example.com"]).allows_address(PUBLIC, 443)
    assert unwrap(ip_address("2606:4700::1111")) == ip_address("2606:4700::1111")


@pytest.mark.parametrize(
    ("listed", "address", "port", "goes"),
    [
        ("10.1.2.0/24", "10.1.2.3", 443, True),
        ("10.1.2.0/24", "10.1.2.3", 8080, False),
        ("10.1.2.0/24", "10.9.9.9", 443, False),
        ("localhost:3000", "127.0.0.1", 3000, True),
        ("localhost:3000", "::1", 3000, True),
        ("localhost:3000", "10.0.0.1", 3000, False),
        ("registry.example.com", "10.0.0.1", 443, False),
    ],
)
def test_an_address_inside_the_house_needs_an_entry_of_its_own(listed, address, port, goes):
    assert parse_hosts([listed]).allows_address(ip_address(address), port) is goes


def test_services_of_this_machine_are_known_by_their_ports():
    rules = parse_hosts(
        [
            "localhost:11434",
            "127.0.0.1:5432",
            "[::1]:5432",
            "localhost",
            "localhost:*",
            "127.0.0.0/8:99",
            "a.example:7",
            "10.0.0.1:8",
        ]
    )
    assert rules.loopback_ports == (5432, 11434)

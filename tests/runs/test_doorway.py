"""Which doors a run gets, and what its agent is told: placeholders for keys, addresses of the doors, nothing of the host's."""

import json
from pathlib import Path

import pytest

from dispatcher.core.errors import BadConfig
from dispatcher.core.rules import AgentConfig
from dispatcher.runs.agents import vendors
from dispatcher.runs.doors.doorway import (
    PLACEHOLDER,
    Doorway,
    ForgeReads,
    KeptKey,
    OpenDoors,
    Outfit,
    dress,
    plan_egress,
)

KEY = "sk-real-5555"
CLAUDE = AgentConfig("claude", "claude")
FORGE = ForgeReads("https://api.example", "ghp_x", 7, "acme/shop", 300, 60)
URLS = {"egress": "http://127.0.0.1:1", "model": "http://127.0.0.1:2", "forge": "http://127.0.0.1:3"}


def outfit(config: AgentConfig = CLAUDE, **variables: str) -> Outfit:
    return Outfit(variables, config)


def test_a_key_stays_outside_and_its_vendor_needs_no_egress():
    kept, hosts = plan_egress(
        vendors.CLAUDE, ("login.example",), outfit(ANTHROPIC_API_KEY=KEY), keeps_keys=True
    )
    assert kept == (KeptKey("anthropic", "https://api.anthropic.com", KEY),)
    assert hosts == ()


def test_a_key_that_shall_be_inside_needs_its_vendors_host():
    kept, hosts = plan_egress(
        vendors.CLAUDE, ("login.example",), outfit(ANTHROPIC_API_KEY=KEY), keeps_keys=False
    )
    assert (kept, hosts) == ((), ("api.anthropic.com",))


def test_a_login_file_needs_the_hosts_of_the_login():
    assert plan_egress(vendors.CLAUDE, ("login.example",), outfit(), keeps_keys=True) == (
        (),
        ("login.example",),
    )


def test_a_server_of_ones_own_is_the_one_that_gets_the_key():
    own = outfit(ANTHROPIC_AUTH_TOKEN=KEY, ANTHROPIC_BASE_URL="https://models.example:8443/x")
    kept, _ = plan_egress(vendors.CLAUDE, (), own, keeps_keys=True)
    assert kept == (KeptKey("anthropic", "https://models.example:8443/x", KEY),)
    assert plan_egress(vendors.CLAUDE, (), own, keeps_keys=False)[1] == ("models.example:8443",)


def test_a_server_without_a_key_is_reached_directly():
    own = outfit(ANTHROPIC_BASE_URL="http://[::1]:9000")
    assert plan_egress(vendors.CLAUDE, (), own, keeps_keys=True) == ((), ("[::1]:9000",))


def test_a_vendor_that_the_program_cannot_be_led_to_keeps_its_key_inside():
    kept, hosts = plan_egress(vendors.LITELLM, (), outfit(GEMINI_API_KEY=KEY), keeps_keys=True)
    assert (kept, hosts) == ((), ("generativelanguage.googleapis.com",))


@pytest.mark.parametrize("url", ["models.example", "https://", "https://a b/", "http://x:99999"])
def test_an_address_that_is_none_is_said_to_be_none(url):
    for has_key in ({}, {"ANTHROPIC_API_KEY": KEY}):
        with pytest.raises(BadConfig, match="is no address of a model"):
            plan_egress(vendors.CLAUDE, (), outfit(ANTHROPIC_BASE_URL=url, **has_key), keeps_keys=True)


def doorway(*kept: KeptKey) -> Doorway:
    return Doorway(("example.com",), kept, FORGE, has_own_network=True, ticket="t1")


def test_the_agent_finds_a_placeholder_and_the_doors_address():
    before = outfit(
        ANTHROPIC_API_KEY=KEY,
        CLAUDE_CODE_OAUTH_TOKEN="other",
        HTTPS_PROXY="http://u:p@proxy",
        all_proxy="x",
        HOME="/h",
    )
    kept, _ = plan_egress(vendors.CLAUDE, (), before, keeps_keys=True)
    after = dress(doorway(*kept), vendors.CLAUDE, before, URLS).variables
    assert after["ANTHROPIC_API_KEY"] == PLACEHOLDER
    assert after["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:2/t1/anthropic"
    assert after["HTTPS_PROXY"] == after["http_proxy"] == "http://127.0.0.1:1"
    assert after["DISPATCHER_FORGE_URL"] == "http://127.0.0.1:3/t1"
    assert after["HOME"] == "/h"
    assert not {"CLAUDE_CODE_OAUTH_TOKEN", "all_proxy"} & after.keys()
    assert not any(KEY in value or "u:p@" in value for value in after.values())


def test_codex_is_led_by_arguments_of_its_own():
    before = outfit(AgentConfig("codex", "codex", extra_args=("--oss",)), OPENAI_API_KEY=KEY)
    kept, _ = plan_egress(vendors.CODEX, (), before, keeps_keys=True)
    after = dress(doorway(*kept), vendors.CODEX, before, URLS)
    assert after.config.extra_args[-1] == "--oss"
    assert 'base_url="http://127.0.0.1:2/t1/openai"' in after.config.extra_args[1]
    assert 'env_key="OPENAI_API_KEY"' in after.config.extra_args[1]


def test_codex_with_a_provider_of_the_persons_own_is_left_alone():
    before = outfit(
        AgentConfig("codex", "codex", extra_args=("-c", 'model_provider="mine"')), OPENAI_API_KEY=KEY
    )
    assert plan_egress(vendors.CODEX, (), before, keeps_keys=True) == ((), ("api.openai.com",))


def test_opencode_keeps_what_a_person_configured_beside_the_address():
    content = json.dumps({"theme": "x", "provider": {"anthropic": {"options": {"timeout": 5}, "models": {}}}})
    before = outfit(ANTHROPIC_API_KEY=KEY, OPENROUTER_API_KEY="or-1", OPENCODE_CONFIG_CONTENT=content)
    kept, hosts = plan_egress(vendors.OPENCODE, (), before, keeps_keys=True)
    assert ([one.vendor for one in kept], hosts) == (["anthropic", "openrouter"], ())
    after = dress(doorway(*kept), vendors.OPENCODE, before, URLS).variables
    assert json.loads(after["OPENCODE_CONFIG_CONTENT"]) == {
        "theme": "x",
        "provider": {
            "anthropic": {
                "options": {"timeout": 5, "baseURL": "http://127.0.0.1:2/t1/anthropic"},
                "models": {},
            },
            "openrouter": {"options": {"baseURL": "http://127.0.0.1:2/t1/openrouter"}},
        },
    }


def test_opencode_is_led_to_the_address_that_a_person_configured():
    content = json.dumps({"provider": {"openai": {"options": {"baseURL": "http://proxy.example/v1"}}}})
    before = outfit(OPENAI_API_KEY=KEY, OPENCODE_CONFIG_CONTENT=content)
    (kept,), hosts = plan_egress(vendors.OPENCODE, (), before, keeps_keys=True)
    assert (kept.vendor, kept.base_url, hosts) == ("openai", "http://proxy.example/v1", ())


@pytest.mark.parametrize("content", ["{", "[]"])
def test_opencode_with_a_configuration_that_nobody_can_read_is_left_alone(content):
    before = outfit(ANTHROPIC_API_KEY=KEY, OPENCODE_CONFIG_CONTENT=content)
    assert plan_egress(vendors.OPENCODE, (), before, keeps_keys=True)[1] == ("api.anthropic.com",)


def test_without_doors_nothing_changes():
    before = outfit(HTTPS_PROXY="http://proxy", ANTHROPIC_API_KEY=KEY)
    assert dress(None, vendors.CLAUDE, before, {}) is before


def test_doors_of_a_network_of_its_own_are_sockets_at_any_path(tmp_path: Path):
    net = tmp_path / ("n" * 100) / "net"
    net.mkdir(parents=True)
    made = Doorway(("localhost:11434", "localhost"), (), FORGE, has_own_network=True)
    with OpenDoors(made, net) as doors:
        assert sorted(made.names) == ["egress", "forge", "port-11434"]
        assert sorted(path.name for path in net.iterdir()) == ["egress.sock", "forge.sock", "port-11434.sock"]
        assert doors.urls["port-11434"] == "http://127.0.0.1:11434"
        assert [path for _, path in doors.relays] == [
            net / "egress.sock",
            net / "forge.sock",
            net / "port-11434.sock",
        ]
        order = json.loads(doors.render_order(tmp_path / "net.log"))
    assert order["forge"]["token"] == "ghp_x"
    with OpenDoors(made, net):
        pass  # what an earlier start left behind is in nobody's way


def test_doors_on_the_hosts_own_loopback_have_ports_of_their_own(tmp_path: Path):
    made = Doorway(("localhost:11434",), (), FORGE, has_own_network=False)
    with OpenDoors(made, tmp_path) as one, OpenDoors(made, tmp_path) as two:
        assert made.names == ("egress", "forge")
        assert one.relays == []
        assert not set(one.urls.values()) & set(two.urls.values())
    assert list(tmp_path.iterdir()) == []


def test_no_secret_shows_in_a_repr():
    shown = repr(
        Doorway((), (KeptKey("anthropic", "https://a", KEY),), FORGE, has_own_network=True, ticket="t9")
    )
    assert not any(secret in shown for secret in (KEY, "ghp_x", "t9"))

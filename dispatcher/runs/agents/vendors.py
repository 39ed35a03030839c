"""Whose models an agent program asks: where they are, which variables hold a key, and how the program is led to another address."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from dispatcher.core.rules import AgentConfig


@dataclass(frozen=True, slots=True)
class Led:
    """What leads a program to an address of ours: variables to set, and arguments behind its own."""

    variables: Mapping[str, str]
    arguments: tuple[str, ...] = ()


Lead = Callable[[AgentConfig, Mapping[str, str], str], Led | None]
"""From the agent's configuration, its variables and a base URL to what leads it there; None when it cannot be led."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """One vendor's API as one program uses it.

    `keys` are the variables that may hold its key, the one that the program prefers first. `base_url` is where it is unless one of
    `base_variables`, or what `find_url` finds in them, says otherwise; "" means that nobody knows without them. `hosts` are reached
    directly where the key is inside.
    """

    name: str
    base_url: str
    keys: tuple[str, ...]
    base_variables: tuple[str, ...]
    hosts: tuple[str, ...]
    lead: Lead | None = None
    find_url: Callable[[Mapping[str, str]], str] | None = None

    def key_in(self, variables: Mapping[str, str]) -> str:
        """The variable that holds the key; "" when none does."""
        return next((name for name in self.keys if variables.get(name)), "")

    def url_in(self, variables: Mapping[str, str]) -> str:
        """The address that the variables lead to."""
        if self.find_url and (found := self.find_url(variables)):
            return found
        return next((variables[name] for name in self.base_variables if variables.get(name)), self.base_url)

    def led_to(self, config: AgentConfig, variables: Mapping[str, str], url: str) -> Led | None:
        """What leads the program to this address instead."""
        if self.lead:
            return self.lead(config, variables, url)
        return Led(dict.fromkeys(self.base_variables, url)) if self.base_variables else None


def lead_codex(config: AgentConfig, variables: Mapping[str, str], url: str) -> Led | None:
    """A provider of our own on the command line, unless the person's own arguments name one."""
    if any(_OWN_PROVIDER.match(argument) for argument in config.extra_args):
        return None
    name = next(name for name in _CODEX_KEYS if variables.get(name))
    provider = f'{{name="dispatcher", base_url="{url}", env_key="{name}", wire_api="responses"}}'
    words = ("-c", f"model_providers.dispatcher={provider}", "-c", 'model_provider="dispatcher"')
    return Led({}, words)


def _in_opencode(name: str, base_url: str, key: str, hosts: tuple[str, ...]) -> Vendor:
    """A provider of OpenCode: it reads addresses from its configuration only, a person's own included."""
    return Vendor(name, base_url, (key,), (), hosts, lead_opencode(name), find_opencode_url(name))


def find_opencode_url(provider: str) -> Callable[[Mapping[str, str]], str]:
    """The provider's address that a person has in OPENCODE_CONFIG_CONTENT; "" for none."""

    def find(variables: Mapping[str, str]) -> str:
        content = _opencode_content(variables) or {}
        url = _inner(_inner(_inner(content, "provider"), provider), "options").get("baseURL")
        return url if isinstance(url, str) else ""

    return find


def _opencode_content(variables: Mapping[str, str]) -> dict[str, object] | None:
    try:
        content = json.loads(variables.get("OPENCODE_CONFIG_CONTENT") or "{}")
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def lead_opencode(provider: str) -> Lead:
    """The provider's address in OPENCODE_CONFIG_CONTENT, beside what a person has there."""

    def lead(_config: AgentConfig, variables: Mapping[str, str], url: str) -> Led | None:
        content = _opencode_content(variables)
        if content is None:
            return None
        options = _inner(_inner(_inner(content, "provider"), provider), "options")
        options["baseURL"] = url
        return Led({"OPENCODE_CONFIG_CONTENT": json.dumps(content)})

    return lead


def _inner(table: dict[str, object], name: str) -> dict[str, object]:
    found = table.get(name)
    inner: dict[str, object] = found if isinstance(found, dict) else {}
    table[name] = inner
    return inner


_OWN_PROVIDER: Final = re.compile(r"(--config=|-c)?\s*model_provider\s*=")
_CODEX_KEYS: Final = ("CODEX_API_KEY", "OPENAI_API_KEY")
_ANTHROPIC, _OPENAI = ("api.anthropic.com",), ("api.openai.com",)
_GOOGLE, _OPENROUTER = ("generativelanguage.googleapis.com",), ("openrouter.ai",)

CLAUDE: Final = (
    Vendor(
        "anthropic",
        "https://api.anthropic.com",
        ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"),
        ("ANTHROPIC_BASE_URL",),
        _ANTHROPIC,
    ),
)
CODEX: Final = (
    Vendor("openai", "https://api.openai.com/v1", _CODEX_KEYS, ("OPENAI_BASE_URL",), _OPENAI, lead_codex),
)
COPILOT: Final = (
    Vendor(
        "provider",
        "",
        ("COPILOT_PROVIDER_BEARER_TOKEN", "COPILOT_PROVIDER_API_KEY"),
        ("COPILOT_PROVIDER_BASE_URL",),
        (),
    ),
)
GEMINI: Final = (
    Vendor(
        "google",
        "https://generativelanguage.googleapis.com",
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        ("GOOGLE_GEMINI_BASE_URL",),
        _GOOGLE,
    ),
)
OPENCODE: Final = (
    _in_opencode("anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY", _ANTHROPIC),
    _in_opencode("openai", "https://api.openai.com/v1", "OPENAI_API_KEY", _OPENAI),
    _in_opencode("google", "https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY", _GOOGLE),
    _in_opencode("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", _OPENROUTER),
    Vendor("opencode", "https://opencode.ai/zen/v1", ("OPENCODE_API_KEY",), (), ("opencode.ai",)),
)
LITELLM: Final = (
    Vendor(
        "anthropic",
        "https://api.anthropic.com",
        ("ANTHROPIC_API_KEY",),
        ("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"),
        _ANTHROPIC,
    ),
    Vendor(
        "openai",
        "https://api.openai.com/v1",
        ("OPENAI_API_KEY",),
        ("OPENAI_API_BASE", "OPENAI_BASE_URL"),
        _OPENAI,
    ),
    Vendor("deepseek", "", ("DEEPSEEK_API_KEY",), (), ("api.deepseek.com",)),
    Vendor("google", "", ("GEMINI_API_KEY",), (), _GOOGLE),
    Vendor("openrouter", "", ("OPENROUTER_API_KEY",), (), _OPENROUTER),
)
"""Of the programs that ask by way of LiteLLM (mini-swe-agent, Aider). Google's and OpenRouter's keys stay inside: nobody led them yet."""

"""What an agent says is looked through before anything of it is stored or shown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from dispatcher.core.events import Event, OutcomeMalformed, OutcomeWithheld
from dispatcher.core.outcomes import texts_of
from dispatcher.core.rules import AgentConfig
from dispatcher.core.secrecy import know_secrets, secret_variables
from dispatcher.runs.agents.registry import kind_named


def _find_nothing(_where: str, _text: str) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Censor:
    """`find` names the secrets in a text, one line each, without their values; `redact` takes them out; `values` are those we hold."""

    find: Callable[[str, str], tuple[str, ...]] = _find_nothing
    redact: Callable[[str], str] = know_secrets(()).redact
    values: Callable[[], tuple[str, ...]] = tuple

    def judge(self, event: Event, run_id: str) -> Event:
        """The outcome itself, or OutcomeWithheld when a secret stands in it."""
        if isinstance(event, OutcomeMalformed):
            return replace(event, error=self.redact(event.error))
        findings = tuple(found for where, text in texts_of(event) for found in self.find(where, text))
        return OutcomeWithheld(run_id, findings) if findings else event


def agents_secrets(agents: Mapping[str, AgentConfig], host: Mapping[str, str]) -> tuple[str, ...]:
    """The values that agents are given and that nobody else may see: keys and passwords among their variables."""
    found: set[str] = set()
    for config in agents.values():
        names = (*kind_named(config.kind).pass_env, *config.pass_env)
        passed = {name: host[name] for name in names if name in host}
        found.update(secret_variables(passed | dict(config.env)))
    return tuple(sorted(found))

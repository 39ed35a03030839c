"""One way to make either sandbox's command lines."""

from dataclasses import dataclass, replace

from dispatcher.runs import spawn
from dispatcher.runs.sandbox.bwrap import Program, compose_bwrap
from dispatcher.runs.sandbox.choice import Box
from dispatcher.runs.sandbox.container import Engine, compose_container, compose_removal, hand_to
from dispatcher.runs.sandbox.trial import spare_user, user_for
from dispatcher.runs.sandbox.view import View


@dataclass(frozen=True, slots=True)
class Boxing:
    """The sandbox of one run or check. `name` is unique, `variables` the names of what it finds in its environment.

    `owner` says whose user number it gets where root starts it; "" means one of its own.
    """

    box: Box
    name: str
    variables: tuple[str, ...] = ()
    owner: str = ""

    @property
    def isolation(self) -> str:
        """How the supervisor is to treat it."""
        return spawn.CONTAINER if isinstance(self.box, Engine) else spawn.SANDBOX

    @property
    def removal(self) -> tuple[str, ...]:
        """What ends a container for certain; () for bubblewrap, which the kernel ends."""
        return compose_removal(self.box, f"dispatcher-{self.name}") if isinstance(self.box, Engine) else ()

    def compose(self, view: View, program: Program) -> tuple[str, ...]:
        """The command line. A container's folders are handed to its user at once, where root makes it become one."""
        if not isinstance(self.box, Engine):
            return compose_bwrap(user_for(self.box, self.owner or self.name), view, program)
        engine = self.box
        if engine.user == 0 and (user := spare_user(self.owner or self.name)):
            engine = replace(engine, user=user)
            hand_to(view.owned, user)
        return compose_container(engine, f"dispatcher-{self.name}", view, program, self.variables)

"""What the sandbox of one run shows, found out from its folder, its agent and this machine."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dispatcher.core.rules import AgentConfig, SandboxRules
from dispatcher.runs.folder import RunFolder
from dispatcher.runs.sandbox.bwrap import is_within, without_nested
from dispatcher.runs.sandbox.caches import Caches
from dispatcher.runs.sandbox.programs import load_program_paths, load_search_path, own_python
from dispatcher.runs.sandbox.trial import init_files
from dispatcher.runs.sandbox.view import View, private_paths


@dataclass(frozen=True, slots=True)
class Wearer:
    """Whom the sandbox is for: the run's folder, its agent and its command line, the rules, what the checkout borrows.

    `variables` is the run's environment; a file that the agent's own settings name there may be read.
    """

    folder: RunFolder
    config: AgentConfig
    argv: tuple[str, ...]
    rules: SandboxRules
    shared: tuple[Path, ...]
    variables: Mapping[str, str]
    named: tuple[str, ...] = ()


def view_of_run(wearer: Wearer, private: tuple[Path, ...], home: Path) -> View:
    """Everything that the agent sees; `private` is the dispatcher's own and stays out of sight."""
    folder = wearer.folder
    given = (folder.prompt, folder.context, folder.schema, folder.net, *wearer.shared)
    shown = tuple(path for path in given if path.exists())
    writable = (folder.checkout, folder.out, folder.home, folder.tmp)
    # A variable may name the run's own copy of a login: shown once more, and read-only, it could not be handed over.
    found = (
        path
        for path in readable_here(wearer, (*private, home))
        if not any(is_within(path, own) for own in writable)
    )
    return View(
        readable=(*shown, *found),
        writable=writable,
        hidden=(*private, *private_paths(home)),
        owned=writable,
        temporary=folder.tmp,
        folder=folder.checkout,
        network=wearer.rules.network,
    )


def view_of_closing(folder: RunFolder, shared: tuple[Path, ...]) -> View:
    """What the commit of the rest sees: the checkout, and what it borrows."""
    writable = (folder.checkout, folder.home, folder.tmp, folder.ignore)
    return View(
        readable=(*shared, *without_nested((*own_python(), *init_files()))),
        writable=writable,
        owned=(folder.ignore,),
        temporary=folder.tmp,
        folder=folder.checkout,
    )


def view_of_container(wearer: Wearer) -> View:
    """What of this machine a container gets: the run's folders, and what a person asked for. Programs come with the image."""
    folder = wearer.folder
    given = (folder.prompt, folder.context, folder.schema, folder.net, *wearer.shared)
    asked = (Path(name).expanduser() for name in wearer.rules.readable)
    writable = (folder.checkout, folder.out, folder.home, folder.tmp)
    return View(
        readable=tuple(path for path in (*given, *asked) if path.exists()),
        writable=writable,
        owned=writable,
        folder=folder.checkout,
        network=wearer.rules.network,
    )


def view_of_container_closing(folder: RunFolder, shared: tuple[Path, ...]) -> View:
    """What the commit of the rest sees in a container."""
    writable = (folder.checkout, folder.home, folder.tmp, folder.ignore)
    return View(readable=shared, writable=writable, owned=(folder.ignore,), folder=folder.checkout)


def with_caches(view: View, caches: Caches) -> View:
    """The view with caches in it."""
    return replace(
        view,
        readable=(*view.readable, *caches.readable),
        writable=(*view.writable, *caches.writable),
        owned=(*view.owned, *caches.writable),
        hidden=(*view.hidden, *caches.hidden),
        variables=(*view.variables, *caches.variables),
    )


def readable_here(wearer: Wearer, too_much: tuple[Path, ...]) -> tuple[Path, ...]:
    """Programs and files of this machine that the agent needs, those that its settings name among them."""
    words = [*wearer.config.argv, *wearer.config.extra_args]
    for name in wearer.named:
        words += wearer.variables.get(name, "").split(os.pathsep)
    search = wearer.variables.get("PATH", "")
    named = [path for word in words for path in _as_path(word)]
    return readable_for(wearer.argv, search, wearer.rules.readable, too_much, named)


def readable_for(
    argv: tuple[str, ...],
    search: str,
    asked: Iterable[str],
    too_much: tuple[Path, ...],
    named: Iterable[Path] = (),
) -> tuple[Path, ...]:
    """What a program needs of this machine; nothing that holds one of `too_much`, unless a person `asked` for it."""
    found = (
        *own_python(),
        *init_files(),
        *load_program_paths(argv[0], search),
        *load_search_path(search),
        *named,
    )
    wanted = [Path(name).expanduser() for name in asked]
    wanted += [path for path in found if not any(is_within(secret, path) for secret in too_much)]
    return without_nested(path for path in wanted if path.exists())


def name_left_out(wearer: Wearer, too_much: tuple[Path, ...]) -> str:
    """What of the program's installation is not shown, since something private lies in it, and the cure; "" where all of it is."""
    asked = [Path(name).expanduser() for name in wearer.rules.readable]
    search = wearer.variables.get("PATH", "")
    for path in load_program_paths(wearer.argv[0], search):
        secret = next((one for one in too_much if is_within(one, path)), None)
        if secret and not any(is_within(path, one) for one in asked):
            return (
                f"the sandbox does not show {path}, to which the program belongs, because {secret} lies in it: install it elsewhere, "
                "or name the folders that it needs in `readable` of [sandbox]"
            )
    return ""


def _as_path(word: str) -> Iterator[Path]:
    """The file or folder that a word of the configuration names."""
    path = Path(word.partition("=")[2] if word.startswith("--") and "=" in word else word)
    if path.is_absolute() and len(word) < 4096 and path.exists():
        yield path
        yield path.resolve()

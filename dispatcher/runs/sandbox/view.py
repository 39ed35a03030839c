"""What a sandbox shows of this machine: an allow-list, so that what nobody thought of is not there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dispatcher.core.rules import NetworkAccess

ETC: Final = (
    "alternatives",
    "bash.bashrc",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "debian_version",
    "fonts",
    "gai.conf",
    "host.conf",
    "hostname",
    "hosts",
    "inputrc",
    "java-11-openjdk",
    "java-17-openjdk",
    "java-21-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "locale.conf",
    "localtime",
    "lsb-release",
    "magic",
    "magic.mime",
    "manpath.config",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "perl",
    "pki",
    "profile",
    "profile.d",
    "protocols",
    "python3",
    "redhat-release",
    "resolv.conf",
    "rpc",
    "services",
    "shells",
    "ssl",
    "terminfo",
    "timezone",
    "vim",
    "xdg",
)
"""What of /etc is shown. Left out is everything that may hold a secret: shadow, ssh, sudoers, services' own folders."""

SYSTEM: Final = ("/opt", "/nix/store", "/gnu/store", "/run/current-system")
"""Folders beside /usr in which systems and vendors install programs."""

PRIVATE_KEYS: Final = ("/etc/ssl/private", "/etc/pki/tls/private", "/etc/pki/nssdb")

_PRIVATE_IN_HOME: Final = (
    ".android", ".aws", ".azure", ".bash_history", ".boto", ".config", ".docker", ".gem/credentials", ".git-credentials",
    ".gitconfig", ".gnupg", ".gradle/gradle.properties", ".kube", ".local/share/keyrings", ".m2/settings.xml", ".mozilla", ".netrc",
    ".npmrc", ".password-store", ".pgpass", ".pki", ".pypirc", ".ssh", ".terraform.d", ".vault-token", ".zsh_history",
    ".cargo/credentials", ".cargo/credentials.toml",
)  # fmt: skip


def private_paths(home: Path) -> tuple[Path, ...]:
    """Folders and files of keys, logins and histories: covered even where somebody lets a folder above them be read."""
    return (*(home / name for name in _PRIVATE_IN_HOME), *(Path(name) for name in PRIVATE_KEYS))


@dataclass(frozen=True, slots=True)
class View:
    """What is visible inside, everything at the path that it has outside.

    `hidden` is covered wherever a readable folder holds it; what is readable or writable below it shows again. `temporary` becomes
    /tmp. `variables` hold no secrets: they stand in the command line. `owned` is handed to the user that the sandbox runs as, where that is not our own.
    """

    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    owned: tuple[Path, ...] = ()
    temporary: Path | None = None
    folder: Path = Path("/")
    network: NetworkAccess = NetworkAccess.OFF
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the programs inside may use; 0 means no bound. `memory_bytes` counts per process; after `wall_s` a container ends itself."""

    memory_bytes: int = 0
    processes: int = 0
    file_bytes: int = 0
    wall_s: int = 0


@dataclass(frozen=True, slots=True)
class Relay:
    """One port on the sandbox's own 127.0.0.1 that leads to a unix socket, which the run's `net/` folder holds."""

    port: int
    socket: Path

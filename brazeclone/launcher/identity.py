"""Which user the embedded servers run as. PostgreSQL refuses to be root; a container has often no other.

Root starts them as ``nobody``. Where ``nobody`` cannot reach the files (a clone below /root, say) the process
keeps one of root's capabilities, to pass file permissions: no mode is changed, no system user is created.
"""

import ctypes
import os
import pwd
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from brazeclone.launcher.errors import LauncherError

_PR_SET_PDEATHSIG, _PR_SET_SECUREBITS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 1, 28, 47, 2
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522

_on_linux = sys.platform == "linux"
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Identity:
    """The user and group of a server process, and whether it passes file permissions as root does."""

    uid: int
    gid: int
    passes_permissions: bool = False

    def adopt(self) -> None:
        """Become this user; called between fork and exec. Raises OSError if the kernel refuses."""
        if self.passes_permissions:
            # A change of user leaves the capabilities alone, and access(2) counts them: initdb asks it.
            _prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
        os.setgroups([])
        os.setgid(self.gid)
        os.setuid(self.uid)
        if self.passes_permissions:
            _keep_capability(_CAP_DAC_OVERRIDE)

    def own(self, path: Path) -> None:
        """Give ``path``, with all that is below it, to this user. Cheap when it is theirs already."""
        if path.stat().st_uid == self.uid:
            return
        for found in [path, *path.rglob("*")]:
            os.chown(found, self.uid, self.gid, follow_symlinks=False)


def for_servers(paths: Iterable[Path]) -> Identity | None:
    """The identity for servers that use ``paths``; None: as we are, since we are not root."""
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise LauncherError(
            "PostgreSQL does not run as root, and this system has no user nobody to run it as: "
            "start this as a normal user, or set DATABASE_URL."
        ) from None
    identity = Identity(nobody.pw_uid, nobody.pw_gid)
    if _can_reach(identity, paths) or not _on_linux:
        return identity
    return Identity(nobody.pw_uid, nobody.pw_gid, passes_permissions=True)


def die_with_parent(signal: int, parent: int) -> None:
    """Have the kernel send ``signal`` to this process when ``parent`` ends (Linux; nothing elsewhere).

    Called in the child between fork and exec, and after any change of user: that clears the wish.
    """
    if not _on_linux:
        return
    _prctl(_PR_SET_PDEATHSIG, signal)
    if os.getppid() != parent:  # it ended before we could ask
        os._exit(1)


def _can_reach(identity: Identity, paths: Iterable[Path]) -> bool:
    """Try it in a child: that counts every directory on the way, and access lists too."""
    child = os.fork()
    if child == 0:
        try:
            identity.adopt()
            os._exit(0 if all(os.access(path, os.R_OK | os.X_OK) for path in paths) else 1)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def _keep_capability(capability: int) -> None:
    """Keep one capability alone, over exec too (capabilities(7): ambient set)."""
    mask = 1 << capability
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    effective_permitted_inheritable = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    if _libc.capset(header, effective_permitted_inheritable) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def _prctl(option: int, *arguments: int) -> None:
    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    if _libc.prctl(option, *padded) != 0:
        raise OSError(ctypes.get_errno(), "prctl")

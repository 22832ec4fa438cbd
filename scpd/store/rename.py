"""Giving a file a name that must be free: the kernel refuses a taken one, nobody looks first.

`rename_to_free_name` is renameat2(2) with RENAME_NOREPLACE (Linux 3.15, glibc 2.28):

    int renameat2(int olddirfd, const char *oldpath, int newdirfd, const char *newpath, unsigned int flags);

called by `ctypes`, since Python has no function for it.  Where kernel, C library or file system cannot (ENOSYS; EINVAL
from NFS and others), link(2) and unlink(2) do the same in two steps: between them, and after a crash there, the file
has both names.  Where there are no hard links either (FAT, some FUSE file systems), it looks and renames: then two
writers of one name may both find it free.

Not link(2) first: who watches the directory waits for a file that is moved there or closed there (inotify(7):
IN_MOVED_TO, IN_CLOSE_WRITE), and a link gives neither.

Raises `FileExistsError` if the name is taken, by whatever, and `OSError` for everything else; in both cases the file
still has its old name.
"""

from __future__ import annotations

import ctypes
import errno
import os
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_RENAME_NOREPLACE = 1  # linux/fs.h

# What says that renameat2 cannot, and what that link cannot: here, or at all.
_NO_SUCH_RENAME = frozenset((errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP))
_NO_LINKS = frozenset((errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.EMLINK))


def _lacks_it(*_: object) -> int:
    """Fail as an old kernel does: for a C library without the function."""
    ctypes.set_errno(errno.ENOSYS)
    return -1


def _find_renameat2(library: object) -> Callable[[int, bytes, int, bytes, int], int]:
    function: Any = getattr(library, "renameat2", None)
    if function is None:
        return _lacks_it
    # No `argtypes`: numbers and bytes are passed as int and char * without them, and a fresh worker looks up less.
    function.restype = ctypes.c_int
    return function  # type: ignore[no-any-return]


_renameat2 = _find_renameat2(ctypes.CDLL(None, use_errno=True))


def rename_to_free_name(name: str, directory: int, new_name: str, new_directory: int) -> None:
    """Move a file between two open directories, to a name that nothing there has."""
    old = name.encode() if name.isascii() else os.fsencode(name)
    new = new_name.encode() if new_name.isascii() else os.fsencode(new_name)
    if not _renameat2(directory, old, new_directory, new, _RENAME_NOREPLACE):
        return
    code = ctypes.get_errno()
    if code not in _NO_SUCH_RENAME:
        raise OSError(code, os.strerror(code), new_name)
    _link_to_free_name(name, directory, new_name, new_directory)


def _link_to_free_name(name: str, directory: int, new_name: str, new_directory: int) -> None:
    try:
        os.link(name, new_name, src_dir_fd=directory, dst_dir_fd=new_directory)
    except FileExistsError:
        # NFS: an answer got lost, and the repeated request finds what the first one made.
        if not _are_one_file(name, directory, new_name, new_directory):
            raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _look_and_rename(name, directory, new_name, new_directory)
        return
    with suppress(OSError):  # the object has its name; a second one below .scpd is the sweeper's
        os.unlink(name, dir_fd=directory)


def _are_one_file(name: str, directory: int, other_name: str, other_directory: int) -> bool:
    one = os.stat(name, dir_fd=directory, follow_symlinks=False)
    other = os.stat(other_name, dir_fd=other_directory, follow_symlinks=False)
    return os.path.samestat(one, other)


def _look_and_rename(name: str, directory: int, new_name: str, new_directory: int) -> None:
    if os.access(new_name, os.F_OK, dir_fd=new_directory, follow_symlinks=False):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new_name)
    os.rename(name, new_name, src_dir_fd=directory, dst_dir_fd=new_directory)

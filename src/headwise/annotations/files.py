"""A folder, a zip or a tar as one thing: names with forward slashes, and the bytes behind each."""

from __future__ import annotations

import os
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from headwise.errors import InputError
from headwise.pictures import cause, read_bytes

LARGEST_COMPRESSED_TAR = 256 << 20
"""Compressed tars cannot be read out of order. Up to this many bytes they are unpacked into memory."""


class Files(Protocol):
    """Where a data set lies."""

    @property
    def path(self) -> Path:
        """The folder or archive."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Every file, sorted."""
        ...

    def read(self, name: str) -> bytes:
        """The content. Raises InputError with the name and the cause."""
        ...


def open_files(path: Path) -> Files:
    """A folder, .zip, .tar, or a small compressed tar. Raises InputError."""
    if path.is_dir():
        return Folder(path, tuple(sorted(_names_below(path))))
    if not path.is_file():
        raise InputError(f"{path}: no such folder or archive")
    try:
        if zipfile.is_zipfile(path):
            return Zip(path, _names_in_zip(path))
        if tarfile.is_tarfile(path):
            return _tar(path)
    except (OSError, zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: the archive is damaged or cut off ({error}); download it again") from error
    raise InputError(f"{path}: neither a folder nor a zip or tar archive")


@dataclass(frozen=True)
class Folder:
    """Files below a folder."""

    path: Path
    names: tuple[str, ...]

    def read(self, name: str) -> bytes:
        return read_bytes(self.path / name)


@dataclass
class Zip:
    """Members of a zip. Each process opens it for itself: forked workers must not share a file position."""

    path: Path
    names: tuple[str, ...]
    _open: tuple[int, zipfile.ZipFile] | None = None

    def read(self, name: str) -> bytes:
        try:
            if self._open is None or self._open[0] != os.getpid():
                self._open = os.getpid(), zipfile.ZipFile(self.path)
            return self._open[1].read(name)
        except KeyError:
            raise InputError(f"{self.path}: no {name} in it") from None
        except (OSError, zipfile.BadZipFile, EOFError, zlib.error) as error:
            raise InputError(f"{self.path}: {name} is damaged ({error})") from error


@dataclass(frozen=True)
class Tar:
    """Members of an uncompressed tar by their place in it."""

    path: Path
    places: dict[str, tuple[int, int]]  # offset, size

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.places)

    def read(self, name: str) -> bytes:
        if name not in self.places:
            raise InputError(f"{self.path}: no {name} in it")
        offset, size = self.places[name]
        try:
            with self.path.open("rb") as file:
                file.seek(offset)
                content = file.read(size)
        except OSError as error:
            raise InputError(f"{self.path}: {name}: {cause(error)}") from error
        if len(content) < size:
            raise InputError(f"{self.path}: {name} is cut off")
        return content


@dataclass(frozen=True)
class InMemory:
    """A small archive, unpacked."""

    path: Path
    contents: dict[str, bytes]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.contents)

    def read(self, name: str) -> bytes:
        if name not in self.contents:
            raise InputError(f"{self.path}: no {name} in it")
        return self.contents[name]


def _names_below(folder: Path) -> list[str]:
    found = []
    for root, _, files in os.walk(folder):
        within = Path(root).relative_to(folder).as_posix()
        found += [f"{within}/{name}" if within != "." else name for name in files]
    return found


def _names_in_zip(path: Path) -> tuple[str, ...]:
    with zipfile.ZipFile(path) as archive:
        return tuple(sorted(name for name in archive.namelist() if not name.endswith("/")))


def _tar(path: Path) -> Files:
    with path.open("rb") as file:
        file.seek(257)
        compressed = file.read(5) != b"ustar"
    if not compressed:
        with tarfile.open(path, "r:") as archive:
            members = sorted((m.name, m.offset_data, m.size) for m in archive if m.isfile())
        return Tar(path, {_plain(name): (offset, size) for name, offset, size in members})
    if path.stat().st_size > LARGEST_COMPRESSED_TAR:
        raise InputError(
            f"{path}: a compressed tar of this size cannot be read out of order; "
            f"unpack it (tar -xf {path.name}) and give the folder"
        )
    with tarfile.open(path) as archive:
        opened = ((member.name, archive.extractfile(member)) for member in archive if member.isfile())
        contents = {_plain(name): content.read() for name, content in opened if content is not None}
    return InMemory(path, dict(sorted(contents.items())))


def _plain(name: str) -> str:
    return name.removeprefix("./")

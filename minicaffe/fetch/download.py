"""One file from the web, verified: a broken line is taken up where it broke, a wrong file never gets its name.

While it arrives the file is called NAME.part, with the server's validator (ETag or date) in NAME.part.from, so that a
later call continues it (HTTP Range) only if the server still has the same file, and begins again otherwise.
"""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from minicaffe.errors import DataError
from minicaffe.version import __version__

log = logging.getLogger("minicaffe")

ALGORITHMS = ("sha256", "sha1", "md5")  # the older two only where nothing better was ever published
CHUNK = 1 << 20
TIMEOUT = 60.0
TRIES = 5  # in a row without a single new byte

_RETRY = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError)


class Checksum(NamedTuple):
    """What the digest of a file must be."""

    algorithm: str
    value: str


class _LostError(Exception):
    """The connection ended before the file did."""


def digest(path: str | Path, algorithm: str = "sha256") -> str:
    """Return the digest of a file as lower-case hexadecimal digits."""
    summed = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            summed.update(chunk)
    return summed.hexdigest()


def download(
    urls: Sequence[str],
    path: str | Path,
    size: int = 0,
    checksum: Checksum | None = None,
    progress: Callable[[int, int], None] | None = None,
    pause: float = 1.0,
) -> Path:
    """Bring a file from the first of `urls` that has it to `path`; return the path.

    A file already at `path` is verified and left; DataError if it is another. `size` (bytes; 0: unknown) and `checksum`
    are what it must be. `progress(done, total)` is called as bytes arrive; tries are
    `pause` seconds apart, doubling. DataError naming every address and its problem when none works, or when the bytes
    are not those expected.
    """
    path = Path(path)
    if path.exists():
        problem = mismatch(path, size, checksum)
        if problem:
            raise DataError(f"{path} is another file: {problem}\n  delete or rename it to fetch it anew")
        log.info("%s is here already%s", path, ", verified" if checksum else "")
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    problems = []
    for url in urls:
        try:
            _from_one(url, path, size, checksum, progress, pause)
            return path
        except DataError as error:
            problems.append(f"\n  {url}: {error}")
            log.warning("%s: %s", url, error)
    raise DataError(f"{path.name} could not be fetched:{''.join(problems)}")


def mismatch(path: Path, size: int, checksum: Checksum | None) -> str:
    """Say how the file differs from what is expected, or ""."""
    actual = path.stat().st_size
    if size and actual != size:
        return f"it has {actual:,} bytes, expected {size:,}"
    if checksum is not None:
        found = digest(path, checksum.algorithm)
        if found != checksum.value:
            return f"its {checksum.algorithm} is {found}, expected {checksum.value}"
    return ""


def _from_one(url: str, path: Path, size: int, checksum: Checksum | None, progress: Any, pause: float) -> None:
    part = path.with_name(path.name + ".part")
    tries = 0
    while True:
        before = _length(part)
        try:
            _transfer(url, part, size, progress)
            break
        except urllib.error.HTTPError as error:
            error.close()
            if error.code < 500:
                raise DataError(f"the server answers {error.code} {error.reason}") from error
            problem: Exception = error
        except (*_RETRY, _LostError) as error:
            problem = error
        tries = 1 if _length(part) > before else tries + 1
        if tries >= TRIES:
            raise DataError(f"{_reason(problem)} ({TRIES} tries; {_length(part):,} bytes are kept)") from problem
        log.info("%s: %s; trying again", url, _reason(problem))
        time.sleep(pause * 2 ** (tries - 1))
    wrong = mismatch(part, size, checksum)
    if wrong:
        _forget(part)
        raise DataError(f"what came is not the file expected: {wrong}")
    if checksum is None:
        log.warning("no checksum of %s is known; the sha256 of what came is %s", path.name, digest(part))
    os.replace(part, path)
    _validator_file(part).unlink(missing_ok=True)


def _transfer(url: str, part: Path, size: int, progress: Any) -> None:
    """Continue `part` from where it ends, or begin it, until the server has sent the whole file."""
    start = _length(part)
    validator = _validator_file(part)
    known = validator.read_text(encoding="utf-8") if validator.exists() else ""
    if not known or (size and start > size):
        start = 0
    headers = {"User-Agent": f"minicaffe/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": known}
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            error.close()
            if error.headers.get("Content-Range", "").endswith(f"/{start}"):
                return
            _forget(part)
            raise _LostError("the server no longer has the file that was begun") from error
        raise
    with answer:
        continued = answer.status == http.HTTPStatus.PARTIAL_CONTENT
        if continued and not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            _forget(part)
            raise _LostError("the server sent another range than asked for")
        if not continued:
            start = 0
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length else size
        validator.write_text(_validator(answer.headers), encoding="utf-8")
        with open(part, "r+b" if continued else "wb") as file:
            file.seek(start)
            _receive(answer, file, start, total, progress)


def _receive(answer: Any, file: BinaryIO, done: int, total: int, progress: Any) -> None:
    if progress:
        progress(done, total)
    while chunk := answer.read(CHUNK):
        file.write(chunk)
        done += len(chunk)
        if progress:
            progress(done, total)
    if done < total:
        raise _LostError(f"the connection ended at {done:,} of {total:,} bytes")


def _validator(headers: Any) -> str:
    """Return what tells this file from another of the same address; a weak ETag cannot (RFC 9110, 13.1.5)."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")


def _validator_file(part: Path) -> Path:
    return part.with_name(part.name + ".from")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _validator_file(part).unlink(missing_ok=True)


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError):
        return f"cannot be reached: {error.reason}"
    return str(error) or type(error).__name__

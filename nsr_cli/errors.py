"""Every failure that nsr reports, and the exit code each one means.

    NsrError                    1  failed
    ├── UsageError              2  a wrong option, scale, model or set name
    ├── PictureError            1  one picture cannot be processed
    │   ├── DecodeError            its bytes cannot be read as a picture
    │   └── EncodeError            the result does not fit the chosen format
    ├── NotReady                1  no process for decoding can be started in time
    ├── WriteError              1  a result cannot be written
    ├── PartialFailure          3  one or more of several inputs failed, the others are done
    ├── UnavailableError        4  something that was asked for is not on this machine
    │   ├── WeightsError           weights: absent, damaged or refused
    │   ├── DataError              a benchmark or training set: absent, damaged or refused
    │   └── FetchError             a download failed; the message names the address
    ├── MemoryExhausted         5  out of memory after every fallback
    └── TrainingError           1  a run cannot start or go on (NaN loss, unusable data)

A message is one line: what failed, why, and what to do. `cli.app` prints the one that ends a run; `batch`, and commands
that take several files, print those of single files.
"""

from typing import ClassVar


class NsrError(Exception):
    """Base of all expected failures; `str(error)` is one printable line."""

    exit_code: ClassVar[int] = 1


class UsageError(NsrError):
    """A wrong option, scale, model or set name; the message says what would be right."""

    exit_code = 2


class PictureError(NsrError):
    """One picture cannot be processed; the other inputs go on."""


class DecodeError(PictureError):
    """Bytes that cannot be read as a picture."""


class EncodeError(PictureError):
    """A result that the chosen file format cannot hold."""


class NotReady(NsrError):
    """No decoding process could be started in time, for any picture: the run ends."""


class WriteError(NsrError):
    """A result could not be written; what was there before is intact."""


class PartialFailure(NsrError):
    """One or more of several inputs failed; the others, if there are any, are done."""

    exit_code = 3


class UnavailableError(NsrError):
    """Weights or data that are not on this machine and could not be downloaded."""

    exit_code = 4


class WeightsError(UnavailableError):
    """Weights that are absent, damaged or refused."""


class DataError(UnavailableError):
    """A picture set that is absent, damaged or refused."""


class FetchError(UnavailableError):
    """A download that failed; the message names the address."""


class MemoryExhausted(NsrError):
    """Out of memory after every fallback was tried."""

    exit_code = 5


class TrainingError(NsrError):
    """A training run that cannot start or go on; its last good checkpoint is kept."""

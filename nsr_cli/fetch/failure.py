"""The two ways in which an address can fail: for good, or perhaps not the next time."""

import contextlib
import http.client
from collections.abc import Iterator

import requests  # noqa: TID253 - imported by the first download, not before
from urllib3.exceptions import HTTPError, NameResolutionError, ReadTimeoutError

LATE = "no answer for too long"


class RefusedError(Exception):
    """This address will never deliver the file; the text says why."""


class BrokenError(Exception):
    """This answer failed, but another one may succeed.

    Args:
        reason: what happened, for the message.
        restart: whether the bytes so far are useless.
        wait: the pause in seconds that the server asks for.
    """

    def __init__(self, reason: str, *, restart: bool = False, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.restart = restart
        self.wait = wait


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn the many exceptions of the network libraries into the two above."""
    try:
        yield
    except ValueError as error:
        raise RefusedError("not a usable address") from error
    except requests.exceptions.SSLError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise RefusedError("its TLS certificate cannot be verified") from error
        raise BrokenError("the secure connection failed") from error
    except (requests.Timeout, ReadTimeoutError, TimeoutError) as error:
        raise BrokenError(LATE) from error
    except requests.exceptions.ProxyError as error:
        raise BrokenError("the proxy refuses or does not answer") from error
    except requests.ConnectionError as error:
        raise BrokenError(_connection_problem(error)) from error
    except (requests.RequestException, HTTPError, http.client.HTTPException, OSError) as error:
        raise BrokenError("the connection broke") from error


def _connection_problem(error: requests.ConnectionError) -> str:
    cause = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(cause, NameResolutionError):
        return "the host's name cannot be resolved"
    return "no connection" if cause is not None else "the connection broke"

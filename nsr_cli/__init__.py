"""Super-resolution, denoising and JPEG artifact removal with sparse neural networks.

from nsr_cli import Restorer
restored = Restorer.load("upscale", scale=4)(picture)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nsr_cli.restore import Restorer

__all__ = ["Restorer", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load the networks' code, and torch with it, when it is first asked for."""
    if name == "Restorer":
        from nsr_cli.restore import Restorer

        return Restorer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""
A Sphinx extension: what the documentation claims is proven by tests, or the build fails.

The proofs are certificates, made by `tox run -e certificates`; see `extension` for the settings.
"""

from guarantees.extension import add_to as setup

__all__ = ["setup"]

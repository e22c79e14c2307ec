"""
The configuration of an application: `orchestrix.toml`, and the environment over it.

`Configuration.load()` finds and reads the file; the settings of a backend become an instance of
the typed class its plugin declares. Whatever is wrong is one `ConfigurationError` that names the
file, the key path, what was expected, and the nearest valid key.
"""

from orchestrix_core.configuration._document import Document
from orchestrix_core.configuration._files import FILE_NAME, FILE_VARIABLE
from orchestrix_core.configuration._model import Configuration, Entry
from orchestrix_core.configuration._runtime import RuntimeSettings

__all__ = ["FILE_NAME", "FILE_VARIABLE", "Configuration", "Document", "Entry", "RuntimeSettings"]

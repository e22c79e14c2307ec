"""
Commands: exactly one handler answers each, once, and what it saves is stored all or nothing.

A handler is a function marked with `orchestrix_core.handles`, registered with the application.
"""

from orchestrix_core.commands._execution import COMMANDS
from orchestrix_core.commands._handlers import CommandHandler, Routes
from orchestrix_core.commands._inbox import purge
from orchestrix_core.commands._middleware import Middleware, Next
from orchestrix_core.commands._sending import Sending

__all__ = ["COMMANDS", "CommandHandler", "Middleware", "Next", "Routes", "Sending", "purge"]

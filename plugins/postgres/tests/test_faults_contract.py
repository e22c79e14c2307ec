"""The store keeps what is promised of faults, on a server of its own that can be restarted."""

from __future__ import annotations

import shlex

import pytest

from orchestrix.infrastructure.postgres._faults import RESTART
from orchestrix.infrastructure.postgres.plugin import contract_subject
from orchestrix_contract_tests import FaultsContract


class TestPostgreSQLEventStore(FaultsContract):
    @pytest.fixture
    def subject(self, request, monkeypatch):
        restarts = "restart" in request.node.name
        server = request.getfixturevalue("own_server") if restarts else None
        if server is not None:
            monkeypatch.setenv(RESTART, shlex.join(server.restarting()))
        return contract_subject(server.dsn() if server else request.getfixturevalue("postgres"))

"""Other versions of the server, where they are installed: the contract, and batches of appends."""

from __future__ import annotations

import attrs
import pytest

from orchestrix.infrastructure.postgres.plugin import contract_subject
from orchestrix_contract_tests import CompleteStoreContract
from postgres_fixtures import CARELESS
from postgres_server import Server, others

from ._batches import compare

OTHERS = others()

if OTHERS:

    @pytest.fixture(scope="module", params=OTHERS)
    def other(request):
        """Return a version, and the URL of a server of it."""
        server = Server.create(OTHERS[request.param], **CARELESS)
        yield request.param, server.dsn()
        server.leave()

    class TestOtherVersions(CompleteStoreContract):
        @pytest.fixture
        def subject(self, other):
            version, dsn = other
            return attrs.evolve(contract_subject(dsn), name=f"postgres {version}")

    async def test_batches(other, monkeypatch):
        _, dsn = other
        await compare(dsn, monkeypatch, 0)

else:

    @pytest.mark.skip(reason="no other version of PostgreSQL is installed")
    def test_other_versions():
        """Tells that the tests above were left out."""

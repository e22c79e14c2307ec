"""Documents: whatever transactions do, one after another, a store and a model of it agree."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeAlias

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrix_contract_tests.contracts._documents import Undone, minutes
from orchestrix_contract_tests.contracts._generated import GeneratedContract
from orchestrix_contract_tests.driver import Driver, Stores
from orchestrix_core import ContractSubject, Document, RevisionConflictError

__all__ = ["DocumentModelContract"]

KEYS: Final = ("a", "ab", "a%", "B", "é", "\U0001f600")
Model: TypeAlias = dict[str, Document]

dues = st.none() | st.integers(0, 3).map(minutes)
offsets = st.sampled_from((None, 0, 0, -1, 1))
"""What is expected: anything, the true revision, or one beside it."""


@attrs.frozen
class Put:
    """Write a document; `body` says what."""

    key: str
    body: int
    offset: int | None
    due: Any

    async def run(self, tx: Any, collection: str, model: Model) -> None:
        """Do it to both, or see it refused and both unchanged."""
        there, expect = _expected(model, self.key, self.offset)
        body, how = {"n": self.body}, {"expect": expect, "due": self.due}
        if expect not in (None, there):
            with pytest.raises(RevisionConflictError):
                await tx.put(collection, self.key, body, **how)
            return
        assert await tx.put(collection, self.key, body, **how) == there + 1
        model[self.key] = Document(
            collection=collection, key=self.key, body=body, revision=there + 1, due=self.due
        )


@attrs.frozen
class Delete:
    """Remove a document, if it is there."""

    key: str
    offset: int | None

    async def run(self, tx: Any, collection: str, model: Model) -> None:
        """Do it to both, or see it refused and both unchanged."""
        there, expect = _expected(model, self.key, self.offset)
        if expect not in (None, there):
            with pytest.raises(RevisionConflictError):
                await tx.delete(collection, self.key, expect=expect)
            return
        assert await tx.delete(collection, self.key, expect=expect) is (there > 0)
        model.pop(self.key, None)


@attrs.frozen
class Find:
    """Look at both, through the transaction."""

    prefix: str
    after: str
    due: Any
    limit: int

    async def run(self, tx: Any, collection: str, model: Model) -> None:
        """Find the same in both."""
        found = [
            document
            for key, document in sorted(model.items())
            if key.startswith(self.prefix) and key > self.after
        ]
        if self.due is not None:
            found = [document for document in found if document.due and document.due <= self.due]
            found.sort(key=lambda document: (document.due, document.key))
        how = {"prefix": self.prefix, "after": self.after, "due": self.due, "limit": self.limit}
        assert await tx.find(collection, **how) == found[: self.limit]


keys = st.sampled_from(KEYS)
texts = st.sampled_from(("", "", "a", "a%", *KEYS))
operations = st.one_of(
    st.builds(Put, key=keys, body=st.integers(), offset=offsets, due=dues),
    st.builds(Delete, key=keys, offset=offsets),
    st.builds(Find, prefix=texts, after=texts, due=dues, limit=st.integers(1, 7)),
)
histories = st.lists(st.tuples(st.lists(operations, max_size=8), st.booleans()), max_size=4)
"""What each transaction does, and whether it commits."""


class DocumentModelContract(GeneratedContract, needs=("documents",)):
    """Every promise about one user's documents, in any order."""

    def test_any_transactions_agree_with_the_model(
        self, subject: ContractSubject, tmp_path: Path, generated: settings
    ) -> None:
        """Documents: changes, refusals, searches and ends of all kinds, made up at random."""
        numbers = count()
        with asyncio.Runner() as runner:
            stores = Stores(subject, tmp_path)
            store = runner.run(stores.open())

            @generated
            @given(histories)
            def agree(history: list[tuple[list[Any], bool]]) -> None:
                runner.run(_replay(store, f"c{next(numbers)}", history))

            try:
                agree()
            finally:
                runner.run(stores.__aexit__())
                runner.run(stores.discard())


def _expected(model: Model, key: str, offset: int | None) -> tuple[int, int | None]:
    there = model[key].revision if key in model else 0
    return there, None if offset is None else max(0, there + offset)


async def _replay(store: Driver, collection: str, history: list[tuple[list[Any], bool]]) -> None:
    model: Model = {}
    for steps, commits in history:
        changed = dict(model)
        try:
            async with store.transaction() as tx:
                for step in steps:
                    await step.run(tx, collection, changed)
                    for key in KEYS:
                        assert await tx.get(collection, key) == changed.get(key)
                if not commits:
                    raise Undone
        except Undone:
            pass
        else:
            model = changed
        found = await store.find_documents(collection)
        assert found == [document for _, document in sorted(model.items())]

"""Which contracts a backend has to keep, as classes for a test module."""

from __future__ import annotations

from typing import Any

from orchestrix_contract_tests import contracts
from orchestrix_contract_tests.certify._soak import SoakContract, SoakSettings
from orchestrix_contract_tests.contracts._base import Contract
from orchestrix_contract_tests.contracts._store import StoreContract
from orchestrix_core import ContractSubject
from orchestrix_core.stores import ASYNC

__all__ = ["classes_of"]


def classes_of(
    subject: ContractSubject, *, faults: bool, soak: SoakSettings | None = None
) -> dict[str, type[Contract]]:
    """Return a test class for each contract of the subject's kind; faults and soak if asked."""
    found = {
        f"Test{contract.__name__}": _class(contract, subject)
        for contract in _contracts(subject)
        if faults or not issubclass(contract, contracts.FaultsContract)
    }
    if soak is not None and subject.kind == "event_store":
        found["TestSoakContract"] = _class(SoakContract, subject, soak=soak)
    return found


def _class(contract: type[Contract], subject: ContractSubject, **more: Any) -> type[Contract]:
    body = {"subject": subject, "__module__": __name__, **more}
    return type(f"Test{contract.__name__}", (contract,), body)


def _contracts(subject: ContractSubject) -> list[type[Contract]]:
    if subject.kind == "event_store":
        return _whole(StoreContract)
    if subject.kind == "message_bus":
        is_async = ASYNC in subject.capabilities
        return [contracts.AsyncMessageBusContract if is_async else contracts.MessageBusContract]
    more = contracts.TracingContract if subject.kind == "tracing" else contracts.MetricsContract
    return [contracts.InstrumentationContract, more]


def _whole(base: type[Contract]) -> list[type[Contract]]:
    """Return the public contracts of this kind, without those that are a part of another."""
    public = [getattr(contracts, name) for name in contracts.__all__]
    found = [contract for contract in public if issubclass(contract, base)]
    return [c for c in found if not any(c is not other and issubclass(other, c) for other in found)]

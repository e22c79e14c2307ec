"""`python -m orchestrix_contract_tests.certify JOB`: the process of one run."""

from __future__ import annotations

import sys

from orchestrix_contract_tests.certify._child import main

if __name__ == "__main__":  # the processes that the tests start import this again
    sys.exit(main(sys.argv[1]))

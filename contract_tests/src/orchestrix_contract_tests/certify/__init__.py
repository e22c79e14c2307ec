"""`orchestrix certify`: run the suite on what is installed or configured, and report what holds."""

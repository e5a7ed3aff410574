"""Who may send what, when: rosters, rounds, the ledger. No disk, no clock."""

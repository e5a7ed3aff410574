"""Reading tables in batches and checking them against the study."""

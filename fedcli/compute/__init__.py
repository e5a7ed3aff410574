"""Adding statistics over batches of rows."""

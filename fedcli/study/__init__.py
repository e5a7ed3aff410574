"""The agreement: its document, schema and canonical form."""

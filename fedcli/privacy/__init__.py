"""The ring that sums live in, and the tests of what may leave."""

"""Storage: SQL as functions that take a connection and return models. The caller opens the transaction."""

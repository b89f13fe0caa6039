"""The JSON-RPC client library and the ``antiphon`` command."""

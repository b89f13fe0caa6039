"""The web server: accounts, worksheets and cells, offered by JSON-RPC and relayed live."""

__version__ = "0.1.0"

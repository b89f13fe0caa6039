"""The version of this package. A module of its own, so that who needs it need not import the package."""

__version__ = "0.1.0"

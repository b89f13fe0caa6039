"""A package for pytest alone: what all of it shares ends with it."""

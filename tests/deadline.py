"""How long a test waits for what comes at once when all is well."""

DEADLINE = 120.0
"""Seconds; reached only where something hangs. A slow machine, or one that runs other tests at the same
time, may need many times what an idle one needs, and no test is about that. A test in which a deadline
passes has one of its own."""

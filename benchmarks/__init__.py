"""Antiphon beside its peers and beside what the machine can do at best. ``make bench`` runs it.

``system`` is the interface that all systems share; ``systems/`` has one file for each, ``limits`` the
bare sockets and the bare fork; ``measures/`` has one file for each question; ``report`` makes the table
and the plot of ``docs/performance.md``. Systems take turns in one run, A B A B, so that all of them meet
the same noise; ratios between them say more than the figures.
"""

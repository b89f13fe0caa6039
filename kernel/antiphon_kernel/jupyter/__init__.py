"""A session for Jupyter's clients: Jupyter's frames on one side, our messages on the other.

This is a translation and no more. What a request does, in which order, and what is published of it is
the session's to decide; here it is only said in Jupyter's words. ``wire`` and ``words`` are functions,
``front`` serves one session on five sockets, ``kernelspec`` tells Jupyter that we are here.
"""

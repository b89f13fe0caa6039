"""The kernel: sessions that compute, a request channel, a numbered feed. Keeps nothing on disk."""

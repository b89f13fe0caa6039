"""``python -m antiphon_client`` is ``antiphon``."""

from antiphon_client.cli import main

main()

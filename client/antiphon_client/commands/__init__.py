"""The commands of ``antiphon``, one module for each noun; ``cli`` imports the one that is asked for."""

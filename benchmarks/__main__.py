"""``python -m benchmarks [MEASURE …]``: all measures into the documents, or some to the terminal."""

from __future__ import annotations

import argparse
import sys
import time
import traceback

from . import report
from .measures import MEASURES
from .result import Bench, Result


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Antiphon beside its peers.")
    parser.add_argument("only", nargs="*", metavar="MEASURE", help=f"of {', '.join(MEASURES)}; default: all")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the full counts; default: 1")
    values = parser.parse_args()
    unknown = [name for name in values.only if name not in MEASURES]
    if unknown:
        parser.error(f"no measure {', '.join(unknown)}: there are {', '.join(MEASURES)}")
    bench = Bench(values.scale)
    results: dict[str, Result] = {}
    failed: dict[str, str] = {}
    for name in values.only or MEASURES:
        print(f"{name} …", file=sys.stderr, end=" ", flush=True)
        begin = time.monotonic()
        try:
            results[name] = MEASURES[name](bench)
        except Exception as error:
            # Minutes of the other measures must not be lost with this one.
            traceback.print_exc()
            failed[name] = f"failed: {error!r}"
        print(f"{time.monotonic() - begin:.0f} s", file=sys.stderr)
    absent = bench.missing | failed
    print(report.markdown(results, absent))
    if not values.only and values.scale == 1:
        report.write(results, absent)
        print(f"written: {report.DOCUMENT} and {report.PLOT}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m bench`: every measurement of the service in turn, each a process of its own; then the document's tables.

Takes the options that all of them have. `--only NAME...` runs some.
"""

import subprocess
import sys

from bench.report import ROOT, options

MEASUREMENTS = ("empty_job", "accept_latency", "request_rates", "queue_depth", "throughput", "soak")


def main() -> int:
    """The exit code: that of the first one that could not be run; a missed goal is none."""
    parser = options(__doc__)
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=MEASUREMENTS, metavar="NAME")
    asked = parser.parse_args()
    passed_on = ["--quick"] * asked.quick + (["--results", str(asked.results.resolve())] if asked.results else [])
    modules = [[f"bench.{name}", *passed_on] for name in asked.only]
    if not passed_on:
        modules.append(["bench.document"])
    codes = [subprocess.run([sys.executable, "-m", *module], cwd=ROOT, check=False).returncode for module in modules]
    return next((code for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main())

"""`make train` and `make model-card`: the stages in their order, each from where it was stopped.

Knows the order; each stage is a program of its own.
"""

import argparse
from pathlib import Path
from subprocess import run
from sys import executable

STAGES = {
    "model": ("compose", "autoencoder", "denoiser", "export"),
    "card": ("compose", "judge", "evaluate"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("made", choices=STAGES, help="train the model, or measure it and write its card")
    for stage in STAGES[parser.parse_args().made]:
        print(f"== {stage}", flush=True)
        run([executable, "-m", f"models.train.{stage}"], check=True, cwd=Path(__file__).parents[2])


if __name__ == "__main__":
    main()

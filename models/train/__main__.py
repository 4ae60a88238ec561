"""`make train` and `make model-card`: the stages in their order, each from where it was stopped.

Knows the order; each stage is a program of its own.
"""

import argparse
from pathlib import Path
from subprocess import run
from sys import executable

from models.train.compose import EXTRA_SIZES, RUN_FOLDER

STAGES = {
    "model": ("autoencoder", "denoiser", "export"),
    "card": ("judge", "evaluate"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("made", choices=STAGES, help="train the model, or measure it and write its card")
    *_, (width, height) = EXTRA_SIZES
    composed = (RUN_FOLDER / f"pictures-{width}x{height}.npy").exists()
    for stage in (*(() if composed else ("compose",)), *STAGES[parser.parse_args().made]):
        print(f"== {stage}", flush=True)
        run([executable, "-m", f"models.train.{stage}"], check=True, cwd=Path(__file__).parents[2])


if __name__ == "__main__":
    main()

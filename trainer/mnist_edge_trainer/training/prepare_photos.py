"""Makes default trainings' photographs: `python -m mnist_edge_trainer.training.prepare_photos`.

Training makes them itself as it comes to need them; this makes them ahead. They are kept in the
user's cache, a file of 1,000 each; what is there already is read. They are the same on every run,
and made again when the simulator, the preprocessing or a library they depend on has changed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mnist_edge.errors import MnistEdgeError
from mnist_edge.outputs.atomic import make_folder
from mnist_edge_trainer.cache import cache_folder
from mnist_edge_trainer.data.splits import load_digits, split_training
from mnist_edge_trainer.synthetic.dataset import held_out_photos, training_photos
from mnist_edge_trainer.training.config import TrainConfig

__all__ = ["prepare_photos"]


def prepare_photos(data: Path) -> int:
    """Makes what a training with the default split needs; prints one line for each file.

    Args:
        data: folder with MNIST's files; downloaded where they are missing.

    Returns:
        number of photographs.

    Raises:
        MnistEdgeError: MNIST cannot be read, or the cache's folder cannot be made.
    """
    # Training goes on without a cache; here there would be nothing to show for it.
    make_folder(cache_folder("photos"))
    training, validation = split_training(load_digits(data, "train"), TrainConfig().val_split)
    photos = training_photos(training)
    count = len(held_out_photos(validation))
    print(f"to validate with: {count:,} photographs", file=sys.stderr)
    for number in range(photos.chunks):
        count += len(photos.chunk(number))
        print(f"{number + 1} of {photos.chunks}: {count:,} photographs", file=sys.stderr)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("samples"), help="folder of MNIST")
    try:
        prepare_photos(parser.parse_args().data)
    except MnistEdgeError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("interrupted; run it again to continue", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""What loading pictures costs elsewhere: `loading_peers.py WHICH FOLDER SIDE [WORKERS]`.

WHICH is `torch` (torchvision's ImageFolder and PyTorch's DataLoader), `tf` (tf.data) or `simplejpeg`
(simplejpeg and NumPy, and OpenCV where pictures are shrunk: no workers, one plain loop). FOLDER holds
`train/CLASS/*.jpg`; SIDE is 32 for CIFAR (moved by up to 4 pixels, flipped) or 224 for photographs
(the shorter side resized to 224, cropped in the middle, flipped). Batches of 128, shuffled,
normalised. Prints a line for each of two epochs: images a second by the clock on the wall and by the
processor time of the process and its children.
"""
import os
import random
import sys
import time
from pathlib import Path

WHICH, FOLDER, SIDE = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
WORKERS = int(sys.argv[4]) if len(sys.argv) > 4 else 2
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)
MAX = 10_000


def epochs(one_epoch):
    for _ in range(2):
        wall, before = time.time(), os.times()
        count = one_epoch()
        after = os.times()
        used = sum(after[:4]) - sum(before[:4])
        seconds = time.time() - wall
        print(f"{WHICH} to {SIDE}x{SIDE}: {count / seconds:.0f} img/s, per own-CPU-second {count / used:.0f}", flush=True)


def with_torch():
    import torch
    import torchvision
    from torchvision import transforms as T

    torch.set_num_threads(1)
    shape = [T.RandomCrop(32, padding=4)] if SIDE == 32 else [T.Resize(SIDE), T.CenterCrop(SIDE)]
    steps = T.Compose(shape + [T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize(MEAN, DEVIATION)])
    data = torchvision.datasets.ImageFolder(str(FOLDER / "train"), steps)
    chosen = random.Random(1).sample(range(len(data)), min(MAX, len(data)))
    data = torch.utils.data.Subset(data, chosen)

    def one_epoch():
        # Workers are the epoch's own: their processor time counts when they have ended.
        loader = torch.utils.data.DataLoader(data, 128, shuffle=True, num_workers=WORKERS)
        return sum(len(labels) for _, labels in loader)

    epochs(one_epoch)


def files():
    paths = sorted((FOLDER / "train").glob("*/*.jpg"))
    return random.Random(1).sample(paths, min(MAX, len(paths)))


def with_tf():
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    def load(path):
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        if SIDE == 32:
            image = tf.ensure_shape(image, (32, 32, 3))
            image = tf.image.random_crop(tf.pad(image, [[4, 4], [4, 4], [0, 0]]), (32, 32, 3))
            image = tf.cast(image, tf.float32)
        else:
            size = tf.cast(tf.shape(image)[:2], tf.float32)
            size = tf.cast(tf.round(size * SIDE / tf.reduce_min(size)), tf.int32)
            image = tf.image.resize(image, size, antialias=True)
            image = tf.image.resize_with_crop_or_pad(image, SIDE, SIDE)
        image = tf.image.random_flip_left_right(image)
        return (image / 255.0 - MEAN) / DEVIATION

    paths = tf.constant([str(path) for path in files()])
    data = tf.data.Dataset.from_tensor_slices(paths).shuffle(MAX).map(load, num_parallel_calls=WORKERS)
    data = data.batch(128).prefetch(2)
    epochs(lambda: sum(int(batch.shape[0]) for batch in data))


def with_simplejpeg():
    import numpy as np
    import simplejpeg

    if SIDE != 32:
        import cv2

        cv2.setNumThreads(1)
    scale = (1 / (255 * np.array(DEVIATION))).astype(np.float32)
    offset = (np.array(MEAN) / np.array(DEVIATION)).astype(np.float32)
    paths = files()
    batch = np.empty((128, SIDE, SIDE, 3), np.float32)
    rng = np.random.default_rng(1)

    def load(path, to):
        jpeg = path.read_bytes()
        if SIDE == 32:
            image = simplejpeg.decode_jpeg(jpeg, "RGB")
            y, x = rng.integers(0, 9, 2)
            image = np.pad(image, ((4, 4), (4, 4), (0, 0)))[y : y + 32, x : x + 32]
        else:
            image = simplejpeg.decode_jpeg(jpeg, "RGB", min_height=SIDE, min_width=SIDE)
            h, w = image.shape[:2]
            factor = SIDE / min(h, w)
            size = (round(w * factor), round(h * factor))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            top, left = (size[1] - SIDE) // 2, (size[0] - SIDE) // 2
            image = image[top : top + SIDE, left : left + SIDE]
        if rng.integers(2):
            image = image[:, ::-1]
        np.multiply(image, scale, out=to)
        to -= offset

    def one_epoch():
        random.shuffle(paths)
        for number, path in enumerate(paths):
            load(path, batch[number % 128])
        return len(paths)

    epochs(one_epoch)


{"torch": with_torch, "tf": with_tf, "simplejpeg": with_simplejpeg}[WHICH]()

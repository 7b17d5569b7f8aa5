"""Loads the models that examples/write_formats.rs wrote into PyTorch, onnxruntime and NumPy, and compares what they answer.

    cargo run --release -p planaria-learn --example write_formats -- FOLDER
    python check_formats.py FOLDER      # needs torch, onnx, onnxruntime, safetensors, numpy

For every model: PyTorch takes the safetensors file's tensors (strict), NumPy reads the same from the .npz file, onnx.checker accepts
the ONNX file in full, and onnxruntime's logits are PyTorch's. Ours are compared as log-probabilities: the softmax is part of our
predictions. All must agree within 1e-4.
"""
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from safetensors import safe_open

from torch_net import build

BOUND = 1e-4


def check(path):
    with safe_open(path, 'pt') as file:
        net = json.loads(file.metadata()['net'])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    module = build(net['input'], net['layers']).eval()
    module.load_state_dict(tensors, strict=True)
    arrays = np.load(path.with_suffix('.npz'))
    assert sorted(arrays.files) == sorted(tensors), 'the archive has other names'
    for name, tensor in tensors.items():
        assert np.array_equal(arrays[name], tensor.numpy()), name

    images = np.load(path.with_suffix('.images.npy'))
    # [N, H, W, C] -> [N, C, H, W], likewise for sequences
    images = np.ascontiguousarray(np.moveaxis(images, -1, 1)) if images.ndim > 2 else images
    with torch.no_grad():
        logits = module(torch.from_numpy(images))
    onnx.checker.check_model(str(path.with_suffix('.onnx')), full_check=True)
    session = onnxruntime.InferenceSession(path.with_suffix('.onnx'), providers=['CPUExecutionProvider'])
    theirs = session.run(['logits'], {'images': images})[0]
    one = session.run(['logits'], {'images': images[:1]})[0]
    ours = np.log(np.load(path.with_suffix('.probabilities.npy')).astype(np.float64))
    found = torch.log_softmax(logits.double(), 1).numpy()
    errors = [np.abs(theirs - logits.numpy()).max(), np.abs(one - theirs[:1]).max(), np.abs(ours - found).max()]
    print(f'{path.stem:24} logits to {np.abs(logits.numpy()).max():8.4f}   onnxruntime - PyTorch {errors[0]:.1e}   '
          f'batch 1 - batch {len(images)} {errors[1]:.1e}   ours - PyTorch {errors[2]:.1e}')
    return max(errors) <= BOUND


if __name__ == '__main__':
    models = sorted(Path(sys.argv[1]).glob('*.safetensors'))
    assert models, 'the folder has no models'
    wrong = [path.stem for path in models if not check(path)]
    sys.exit(f'beyond {BOUND}: {wrong}' if wrong else f'{len(models)} models agree within {BOUND}')

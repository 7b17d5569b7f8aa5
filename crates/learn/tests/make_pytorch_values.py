"""Writes the values in tests/data that tests/pytorch.rs compares with: losses, gradients and optimisers' steps as PyTorch finds them.

    python make_pytorch_values.py        # needs torch and numpy; made with torch 2.15

Nets are small or, for mnist-cnn, filled by a formula that both sides know, and only sums and selected values are stored. All is
computed in float64, so that the differences are ours. Drop-out is off.
"""
import json
import struct
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

DATA = Path(__file__).resolve().parent / 'data'
torch.manual_seed(7)
torch.set_default_dtype(torch.float64)


def conv(filters): return {'kind': 'conv2d', 'filters': filters}
def dense(units): return {'kind': 'dense', 'units': units}


RELU, POOL, FLATTEN = {'kind': 'relu'}, {'kind': 'max-pool'}, {'kind': 'flatten'}
# name: input (h, w, c), layers, samples
NETS = {
    'direct': ((9, 8, 2), [conv(3), RELU, POOL, FLATTEN, dense(7), RELU, dense(4)], 5),
    'winograd': ((8, 8, 1), [conv(16), RELU, conv(16), RELU, POOL, FLATTEN, dense(5)], 4),
    'pool-first': ((11, 13, 3), [POOL, conv(2), POOL, RELU, FLATTEN, dense(3)], 3),
}
MNIST = ((28, 28, 1), [conv(32), RELU, conv(64), RELU, POOL, {'kind': 'dropout', 'rate': 0.0}, FLATTEN, dense(128), RELU,
                       {'kind': 'dropout', 'rate': 0.0}, dense(10)], 3)


def build(shape, layers):
    """The same net as a torch Sequential, and of every parameter how it lies in planaria-learn: axes to permute to, or None."""
    (h, w, c), modules, axes, features = shape, [], [], None
    for layer in layers:
        kind = layer['kind']
        if kind == 'conv2d':
            modules.append(nn.Conv2d(c, layer['filters'], 3))
            axes += [((2, 3, 1, 0), None), (None, None)]
            h, w, c = h - 2, w - 2, layer['filters']
        elif kind == 'max-pool':
            modules.append(nn.MaxPool2d(2))
            h, w = h // 2, w // 2
        elif kind == 'flatten':
            modules.append(nn.Flatten())
            features = (c, h, w)
        elif kind == 'dense':
            modules.append(nn.Linear(int(np.prod(features)), layer['units']))
            # [U, C * H * W] -> [H, W, C, U]
            axes += [((2, 3, 1, 0), (layer['units'], *features)), (None, None)]
            features = (layer['units'], 1, 1)
        else:
            modules.append(nn.ReLU() if kind == 'relu' else nn.Dropout(layer['rate']))
    return nn.Sequential(*modules), axes


def save(path, shape, layers, tensors):
    """A safetensors file, written by hand: the format is a length, a JSON header and the numbers."""
    net = {'input': {'image': dict(zip('hwc', shape))}, 'layers': layers}
    header, data = {'__metadata__': {'net': json.dumps(net)}}, b''
    for name, tensor in tensors.items():
        begin = len(data)
        data += tensor.detach().numpy().astype('<f4').tobytes()
        header[name] = {'dtype': 'F32', 'shape': list(tensor.shape), 'data_offsets': [begin, len(data)]}
    header = json.dumps(header).encode()
    header += b' ' * (-len(header) % 8)
    path.write_bytes(struct.pack('<Q', len(header)) + header + data)


def loss_of(module, images, labels):
    """The mean cross-entropy of images [N, H, W, C]."""
    logits = module(images.permute(0, 3, 1, 2))
    return F.cross_entropy(logits, labels), logits


def small(name, shape, layers, samples):
    module, _ = build(shape, layers)
    with torch.no_grad():
        for p in module.parameters():  # what is stored is float32: begin from what the other side will read
            p.copy_(p.float().double())
    images = torch.rand(samples, *shape).float().double()
    labels = torch.randint(0, layers[-1]['units'], (samples,))
    start = {k: v.clone() for k, v in module.state_dict().items()}
    save(DATA / f'{name}.parameters.safetensors', shape, layers, start)
    loss, logits = loss_of(module, images, labels)
    loss.backward()
    gradient = [p.grad.float().double() for p in module.parameters()]
    save(DATA / f'{name}.gradient.safetensors', shape, layers, dict(zip(start, gradient)))
    (DATA / f'{name}.json').write_text(json.dumps({
        'images': images.flatten().tolist(), 'labels': labels.tolist(), 'loss': loss.item(),
        'probabilities': torch.softmax(logits, 1).flatten().tolist()}))
    for rule, make in [('adam', lambda p: torch.optim.Adam(p, 1e-2)), ('sgd', lambda p: torch.optim.SGD(p, 0.1, 0.9))]:
        module.load_state_dict(start)
        optimiser = make(module.parameters())
        for factor in (1, -0.5, 2, 0.25):  # of the first gradient: the steps alone are compared, not the net once more
            for p, g in zip(module.parameters(), gradient):
                p.grad = g * factor
            optimiser.step()
        save(DATA / f'{name}.{rule}.safetensors', shape, layers, module.state_dict())


def formula(n, seed):
    """Numbers from -1 to 1 that any language computes exactly: a multiplicative hash of the place."""
    hashed = (np.arange(n, dtype=np.uint64) * 2654435761 + seed * 40503) % 2**32
    hashed = ((hashed ^ (hashed >> np.uint64(15))) * 2246822519) % 2**32
    return (hashed >> np.uint64(8)).astype(np.float64) / 2**23 - 1


def mnist():
    shape, layers, samples = MNIST
    module, axes = build(shape, layers)
    tensors = list(module.parameters())
    for number, (p, (permute, view)) in enumerate(zip(tensors, axes)):
        fan_in = p.numel() // p.shape[0] if p.dim() > 1 else tensors[number - 1].numel() // p.shape[0]
        ours = torch.from_numpy((formula(p.numel(), number) / fan_in**0.5).astype(np.float32)).double()
        if permute:
            target = p.view(view) if view else p
            ours = ours.view([target.shape[a] for a in permute]).permute(*np.argsort(permute)).reshape(p.shape)
        with torch.no_grad():
            p.copy_(ours)
    images = torch.from_numpy(formula(samples * 784, 99).astype(np.float32)).double().abs().view(samples, *shape)
    loss, logits = loss_of(module, images, torch.tensor([3, 1, 4]))
    loss.backward()
    found = []
    for p, (permute, view) in zip(tensors, axes):
        g = (p.grad.view(view) if view else p.grad).permute(*permute) if permute else p.grad
        g = g.reshape(-1)
        places = [int(i) for i in np.linspace(0, len(g) - 1, 40)]
        found.append({'sum': g.sum().item(), 'absolute_sum': g.abs().sum().item(), 'greatest': g.abs().max().item(),
                      'places': places, 'values': [g[i].item() for i in places]})
    (DATA / 'mnist-cnn.json').write_text(json.dumps({
        'loss': loss.item(), 'probabilities': torch.softmax(logits, 1).flatten().tolist(), 'gradients': found}))


if __name__ == '__main__':
    DATA.mkdir(exist_ok=True)
    for name, net in NETS.items():
        small(name, *net)
    mnist()

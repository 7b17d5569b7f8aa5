"""Writes the values in tests/data that tests/pytorch.rs compares with: losses, gradients, predictions and optimisers' steps as PyTorch finds them.

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


def conv(filters, **settings): return {'kind': 'conv2d', 'filters': filters, **settings}
def conv1d(filters, **settings): return {'kind': 'conv1d', 'filters': filters, **settings}
def dense(units, **settings): return {'kind': 'dense', 'units': units, **settings}
def layer(kind, **settings): return {'kind': kind, **settings}


RELU, POOL, FLATTEN, NORM = layer('relu'), layer('max-pool'), layer('flatten'), layer('batch-norm')
DROPOUT = layer('dropout', rate=0.0)


def image(h, w, c): return {'image': {'h': h, 'w': w, 'c': c}}


# name: input, layers, samples. Of these the optimisers' steps are compared, too.
NETS = {
    'direct': (image(9, 8, 2), [conv(3), RELU, POOL, FLATTEN, dense(7), RELU, dense(4)], 5),
    'winograd': (image(8, 8, 1), [conv(16), RELU, conv(16), RELU, POOL, FLATTEN, dense(5)], 4),
    'pool-first': (image(11, 13, 3), [POOL, conv(2), POOL, RELU, FLATTEN, dense(3)], 3),
}
# Of these gradients and predictions are: together they have every layer.
LAYER_NETS = {
    'blocks': (image(6, 5, 2), [
        conv(3, bias=False), NORM, RELU,
        layer('residual', body=[conv(4, padding=1, bias=False), NORM, RELU, conv(3, kernel=1, bias=False), NORM]), RELU,
        layer('concat', branches=[
            [conv(2, kernel=[2, 1], bias=False), NORM], [conv(3, kernel=1), layer('max-pool', kernel=[2, 1], stride=1)],
            [layer('average-pool', kernel=[2, 1], stride=1)]]),
        layer('residual', body=[conv(4, padding=1)], shortcut=[conv(4, kernel=1), RELU]), layer('silu'), FLATTEN, NORM, DROPOUT, dense(3)], 5),
    'convolutions': (image(9, 8, 4), [
        conv(6, kernel=[3, 2], stride=[2, 1], padding=[2, 1], dilation=[2, 3], groups=2), RELU,
        conv(6, padding=1, groups=6), RELU, conv(3, kernel=1, stride=2, bias=False), RELU, FLATTEN, dense(4, bias=False)], 3),
    'smooth': (image(4, 3, 2), [
        conv(5, kernel=2), layer('gelu'), conv(6, kernel=1), layer('gelu', approximate='tanh'), layer('layer-norm'), conv(5, kernel=1),
        layer('silu'), FLATTEN, layer('layer-norm', epsilon=0.01), dense(7), layer('sigmoid'), dense(6), layer('tanh'), dense(5), layer('softmax'),
        dense(3)], 6),
    'pools': (image(9, 8, 2), [
        conv(4, padding=1), layer('max-pool', kernel=3, stride=[2, 1], padding=1), layer('average-pool', kernel=[2, 3], padding=[1, 1]),
        conv(3, kernel=[1, 2]), layer('average-pool', stride=1, padding=1, count_padding=False),
        layer('concat', branches=[[layer('global-pool')], [layer('global-pool', take='max')]]), FLATTEN, dense(3)], 4),
    'text': ({'features': 11}, [
        layer('embedding', ids=7, channels=4), conv1d(6, padding=1, stride=2, bias=False), NORM, layer('silu'),
        conv1d(4, kernel=2, dilation=2, groups=2), layer('layer-norm'), layer('gelu'), FLATTEN, dense(3)], 5),
    'text-mean': ({'features': 6}, [layer('embedding', ids=5, channels=3), layer('softmax'), layer('global-pool'), dense(2)], 4),
}
MNIST = ((28, 28, 1), [conv(32), RELU, conv(64), RELU, POOL, DROPOUT, FLATTEN, dense(128), RELU, DROPOUT, dense(10)], 3)


class ChannelsNorm(nn.LayerNorm):
    """Over the channels, which come second here."""
    def forward(self, x): return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class Embedding(nn.Embedding):
    """Of whole numbers given as floats; channels come second."""
    def forward(self, x): return super().forward(x.long()).movedim(-1, 1)


class Residual(nn.Module):
    def __init__(self, body, shortcut):
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x): return self.body(x) + self.shortcut(x)


class Concat(nn.Module):
    def __init__(self, branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x): return torch.cat([branch(x) for branch in self.branches], 1)


class GlobalPool(nn.Module):
    """All places become one: that of an image stays an image, that of a sequence goes."""
    def __init__(self, take):
        super().__init__()
        self.take = take

    def forward(self, x):
        places = tuple(range(2, x.dim()))
        return (x.mean if self.take == 'average' else x.amax)(places, keepdim=len(places) == 2)


def module_of(spec, x):
    """The layer as a torch module for inputs such as x [N, C, ..]."""
    s = dict(spec)
    kind, c = s.pop('kind'), x.shape[1]
    pair = lambda value: tuple(value) if isinstance(value, list) else value
    s = {key: pair(value) if key in ('kernel', 'stride', 'padding', 'dilation') else value for key, value in s.items()}
    epsilon = s.get('epsilon', 1e-5)
    if kind in ('conv2d', 'conv1d'):
        make = nn.Conv2d if kind == 'conv2d' else nn.Conv1d
        return make(c, s.pop('filters'), s.pop('kernel', 3), **s)
    if kind == 'dense':
        return nn.Linear(c, s['units'], bias=s.get('bias', True))
    if kind == 'max-pool':
        return nn.MaxPool2d(s.get('kernel', 2), s.get('stride'), s.get('padding', 0))
    if kind == 'average-pool':
        return nn.AvgPool2d(s.get('kernel', 2), s.get('stride'), s.get('padding', 0), count_include_pad=s.get('count_padding', True))
    if kind == 'batch-norm':
        return {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}[x.dim()](c, eps=epsilon)
    if kind == 'residual':
        return Residual(build(s['body'], x), build(s.get('shortcut', []), x))
    if kind == 'concat':
        return Concat([build(branch, x) for branch in s['branches']])
    return {
        'global-pool': lambda: GlobalPool(s.get('take', 'average')), 'flatten': nn.Flatten, 'dropout': lambda: nn.Dropout(s['rate']),
        'layer-norm': lambda: ChannelsNorm(c, eps=epsilon), 'embedding': lambda: Embedding(s['ids'], s['channels']),
        'relu': nn.ReLU, 'gelu': lambda: nn.GELU(s.get('approximate', 'none')), 'silu': nn.SiLU, 'sigmoid': nn.Sigmoid, 'tanh': nn.Tanh,
        'softmax': lambda: nn.Softmax(1),
    }[kind]()


def build(layers, x):
    """The same net as a torch Sequential, for inputs such as x."""
    modules = []
    for spec in layers:
        modules.append(module_of(spec, x))
        x = modules[-1](x).detach()
    return nn.Sequential(*modules)


def channels_second(samples):
    return samples.movedim(-1, 1) if samples.dim() > 2 else samples


def shape_of(net_input):
    sizes = net_input.get('features') or [net_input['image'][side] for side in 'hwc']
    return [sizes] if isinstance(sizes, int) else sizes


def save(path, net_input, layers, tensors):
    """A safetensors file, written by hand: the format is a length, a JSON header and the numbers."""
    net = {'input': net_input, 'layers': layers}
    header, data = {'__metadata__': {'net': json.dumps(net)}}, b''
    for name, tensor in tensors.items():
        begin = len(data)
        data += tensor.detach().numpy().astype('<f4').tobytes()
        header[name] = {'dtype': 'F32', 'shape': list(tensor.shape), 'data_offsets': [begin, len(data)]}
    header = json.dumps(header).encode()
    header += b' ' * (-len(header) % 8)
    path.write_bytes(struct.pack('<Q', len(header)) + header + data)


def loss_of(module, samples, labels):
    """The mean cross-entropy of images [N, H, W, C], or of features [N, D]."""
    logits = module(channels_second(samples))
    return F.cross_entropy(logits, labels), logits


def state_of(module):
    return {k: v.clone() for k, v in module.state_dict().items() if not k.endswith('num_batches_tracked')}


def small(name, net_input, layers, samples):
    shape = shape_of(net_input)
    module = build(layers, channels_second(torch.zeros(samples, *shape)))
    with torch.no_grad():
        for p in module.parameters():  # what is stored is float32: begin from what the other side will read
            p.copy_(p.float().double())
    images = torch.rand(samples, *shape).float().double()
    labels = torch.randint(0, layers[-1]['units'], (samples,))
    start = state_of(module)
    save(DATA / f'{name}.parameters.safetensors', net_input, layers, start)
    loss, logits = loss_of(module, images, labels)
    loss.backward()
    gradient = [p.grad.float().double() for p in module.parameters()]
    save(DATA / f'{name}.gradient.safetensors', net_input, layers, dict(zip(start, gradient)))
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
        save(DATA / f'{name}.{rule}.safetensors', net_input, layers, module.state_dict())


def layer_net(name, net_input, layers, samples):
    """Gradients while training, and predictions by the running statistics. In the place of a running statistic the gradient has the
    batch's own, as the running one took it in."""
    torch.manual_seed(len(name))
    shape = shape_of(net_input)
    ids = layers[0].get('ids')
    images = torch.randint(0, ids, (samples, *shape)).double() if ids else torch.randint(-64, 65, (samples, *shape)) / 64
    module = build(layers, channels_second(images))
    with torch.no_grad():
        for key, p in module.state_dict().items():
            if key.endswith('num_batches_tracked'):
                continue
            noise = torch.rand_like(p) - 0.5
            p.copy_((1 + noise if p.dim() == 1 and not key.endswith('bias') else p + noise / 2).float().double())
    labels = torch.randint(0, layers[-1]['units'], (samples,))
    start = state_of(module)
    save(DATA / f'{name}.parameters.safetensors', net_input, layers, start)
    logits = module.eval()(channels_second(images))
    loss, _ = loss_of(module.train(), images, labels)
    loss.backward()
    after, momentum = state_of(module), 0.1
    found = {key: (after[key] - (1 - momentum) * old) / momentum for key, old in start.items()}
    found.update({key: p.grad for key, p in module.named_parameters()})
    save(DATA / f'{name}.gradient.safetensors', net_input, layers, found)
    (DATA / f'{name}.json').write_text(json.dumps({
        'images': images.flatten().tolist(), 'labels': labels.tolist(), 'loss': loss.item(),
        'probabilities': torch.softmax(logits, 1).flatten().tolist()}))


def formula(n, seed):
    """Numbers from -1 to 1 that any language computes exactly: a multiplicative hash of the place."""
    hashed = (np.arange(n, dtype=np.uint64) * 2654435761 + seed * 40503) % 2**32
    hashed = ((hashed ^ (hashed >> np.uint64(15))) * 2246822519) % 2**32
    return (hashed >> np.uint64(8)).astype(np.float64) / 2**23 - 1


def mnist():
    shape, layers, samples = MNIST
    module = build(layers, torch.zeros(1, 1, 28, 28))
    tensors = list(module.parameters())
    # How each tensor lies in planaria-learn: the axes that PyTorch's are permuted to, of a view if one is named.
    to_ours = (2, 3, 1, 0)
    axes = [(to_ours, None), (None, None), (to_ours, None), (None, None),
            (to_ours, (128, 64, 12, 12)), (None, None), (to_ours, (10, 128, 1, 1)), (None, None)]
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
    for name, net in LAYER_NETS.items():
        layer_net(name, *net)
    mnist()

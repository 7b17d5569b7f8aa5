"""A net of planaria-learn as a PyTorch module, whose parameters have the names and shapes that the model file has.

    from torch_net import build
    module = build(net['input'], net['layers'])      # net: the JSON in the file's metadata
    module.load_state_dict(safetensors.torch.load_file(path), strict=True)
"""
import torch
import torch.nn as nn


class Residual(nn.Module):
    """body(x) + shortcut(x)"""

    def __init__(self, body, shortcut):
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x):
        return self.body(x) + self.shortcut(x)


class Concat(nn.Module):
    """All branches' channels side by side."""

    def __init__(self, branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


def sides(shape):
    """A shape of the file as PyTorch has it, without the batch: [C, H, W], [C, L] or [D]."""
    (kind, of), = shape.items()
    return {'image': lambda: [of['c'], of['h'], of['w']], 'sequence': lambda: [of['channels'], of['length']],
            'features': lambda: [of]}[kind]()


class LayerNorm(nn.LayerNorm):
    """Over the channels of each place; PyTorch's own wants them as the last axis."""

    def forward(self, x):
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class Embedding(nn.Embedding):
    """Rows for ids that come as floats, with the channels before the places."""

    def forward(self, x):
        return super().forward(x.long()).movedim(-1, 1)


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def convolution(make, layer, channels, size):
    setting = {name: size(layer.get(name, default)) for name, default in [('stride', 1), ('padding', 0), ('dilation', 1)]}
    return make(channels, layer['filters'], size(layer.get('kernel', 3)), groups=layer.get('groups', 1), bias=layer.get('bias', True),
                **setting)


def window(layer):
    kernel = pair(layer.get('kernel', 2))
    return {'kernel_size': kernel, 'stride': pair(layer.get('stride') or kernel), 'padding': pair(layer.get('padding', 0))}


def global_pool(layer, x):
    pools = {('average', 3): nn.AdaptiveAvgPool2d, ('max', 3): nn.AdaptiveMaxPool2d,
             ('average', 2): nn.AdaptiveAvgPool1d, ('max', 2): nn.AdaptiveMaxPool1d}
    pool = pools[layer.get('take', 'average'), len(x)](1)
    return pool if len(x) == 3 else nn.Sequential(pool, nn.Flatten())


def module_of(layer, x):
    """A module for one layer; x is what comes in, without the batch."""
    kind, channels = layer['kind'], x[0]
    match kind:
        case 'conv2d':
            return convolution(nn.Conv2d, layer, channels, pair)
        case 'conv1d':
            return convolution(nn.Conv1d, layer, channels, int)
        case 'max-pool':
            return nn.MaxPool2d(**window(layer))
        case 'average-pool':
            return nn.AvgPool2d(**window(layer), count_include_pad=layer.get('count_padding', True))
        case 'global-pool':
            return global_pool(layer, x)
        case 'dense':
            return nn.Linear(channels, layer['units'], bias=layer.get('bias', True))
        case 'batch-norm':
            kinds = {1: nn.BatchNorm1d, 2: nn.BatchNorm1d, 3: nn.BatchNorm2d}
            return kinds[len(x)](channels, layer['epsilon'], layer['momentum'])
        case 'layer-norm':
            return LayerNorm(channels, layer['epsilon'])
        case 'relu' | 'sigmoid' | 'tanh' | 'silu':
            return {'relu': nn.ReLU, 'sigmoid': nn.Sigmoid, 'tanh': nn.Tanh, 'silu': nn.SiLU}[kind]()
        case 'gelu':
            return nn.GELU(layer.get('approximate', 'none'))
        case 'softmax':
            return nn.Softmax(1)
        case 'dropout':
            return nn.Dropout(layer['rate'])
        case 'flatten':
            return nn.Flatten()
        case 'residual':
            return Residual(*(sequence(layer.get(part, []), x) for part in ('body', 'shortcut')))
        case 'concat':
            return Concat([sequence(branch, x) for branch in layer['branches']])
        case 'embedding':
            return Embedding(layer['ids'], layer['channels'])
    raise ValueError(f'no module for {kind}')


def sequence(layers, x):
    """Layers, one after another; what each gets is found by trying the one before on a batch of two."""
    modules = []
    for layer in layers:
        module = module_of(layer, x).eval()
        modules.append(module)
        with torch.no_grad():
            x = list(module(torch.zeros(2, *x)).shape[1:])
    return nn.Sequential(*modules)


def build(input_shape, layers):
    return sequence(layers, sides(input_shape))

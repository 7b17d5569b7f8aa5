"""Writes the ONNX files in tests/data/onnx that tests/formats.rs reads, as PyTorch's exporter writes them.

    python make_onnx_files.py        # needs torch, onnx and numpy; made with torch 2.15

Beside each NAME.onnx is NAME.npz with images [N, H, W, C] (or features [N, D]) and the logits of PyTorch.
"""
import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn

FOLDER = Path(__file__).resolve().parent / 'data' / 'onnx'
torch.manual_seed(3)


class View(nn.Module):
    def forward(self, x):
        return x.view(x.size(0), -1)


class Product(nn.Module):
    def __init__(self, inputs, units):
        super().__init__()
        self.w, self.b = nn.Parameter(torch.randn(inputs, units) / inputs), nn.Parameter(torch.randn(units))

    def forward(self, x):
        return x @ self.w + self.b


class Block(nn.Module):
    def __init__(self, body, shortcut=None):
        super().__init__()
        self.body, self.shortcut = body, shortcut or nn.Identity()

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


class Beside(nn.Module):
    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


class Last(nn.Module):
    """A layer over the channels of each place of an image or a sequence."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return self.layer(x.movedim(1, -1)).movedim(-1, 1)


class Mean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


class Turn(nn.Module):
    def forward(self, x):
        return x.transpose(1, 2)


def smooth():
    return nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), Last(nn.LayerNorm(3)), nn.GELU(), Block(nn.Sequential(nn.SiLU(), nn.Tanh())),
                         nn.GELU('tanh'), nn.Sigmoid(), nn.Softmax(1), nn.Flatten(), nn.BatchNorm1d(48), nn.LayerNorm(48), nn.SiLU(),
                         nn.Linear(48, 3))


def norm(channels):
    """With statistics as a training leaves them."""
    layer = nn.BatchNorm2d(channels)
    for numbers in (layer.weight.data, layer.bias.data, layer.running_mean, layer.running_var):
        numbers.uniform_(0.5, 1.5)
    return layer


# name: the module, the shape of a sample in PyTorch, and what the exporter is told
NETS = {
    'view': (nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(), View(), nn.Linear(12, 4)), [2, 6, 7], {}),
    'fixed-batch': (nn.Sequential(nn.Conv2d(1, 2, 3), View(), Product(12, 3)), [1, 5, 4], {'dynamic_axes': None}),
    'folded': (nn.Sequential(nn.Conv2d(2, 3, 3, bias=False), norm(3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 5)), [2, 4, 6], {}),
    'blocks': (nn.Sequential(Block(nn.Sequential(norm(2), nn.ReLU(), norm(2))), Block(norm(2), norm(2)),
                             Beside(nn.Identity(), norm(2)), nn.Flatten(), nn.Linear(64, 3)), [2, 4, 4],
               {'do_constant_folding': False, 'training': torch.onnx.TrainingMode.PRESERVE}),
    'smooth': (smooth(), [2, 4, 4], {}),
    'smooth-of-opset-20': (smooth(), [2, 4, 4], {'opset_version': 20}),
    'convolutions': (nn.Sequential(nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 0), groups=2), nn.Conv2d(4, 4, 3, padding='same', groups=4),
                                   nn.Conv2d(4, 2, 3, dilation=2, bias=False), nn.Flatten(), nn.Linear(8, 3)), [2, 11, 7], {}),
    'pools': (nn.Sequential(nn.AvgPool2d(3, 1, 1), nn.AvgPool2d(2, 1, 1, count_include_pad=False), nn.MaxPool2d(3, 2, 1, ceil_mode=True),
                            Beside(nn.AdaptiveAvgPool2d(1), nn.AdaptiveMaxPool2d(1)), nn.Flatten(), nn.Linear(4, 3)), [2, 6, 4], {}),
    'mean': (nn.Sequential(nn.Conv2d(2, 3, 2), Mean(), nn.Linear(3, 2)), [2, 4, 3], {}),
    'mean-of-opset-20': (nn.Sequential(nn.Conv2d(2, 3, 2), Mean(), nn.Linear(3, 2)), [2, 4, 3], {'opset_version': 20}),
    'sequence': (nn.Sequential(nn.Conv1d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv1d(4, 4, 2, stride=2, groups=4), nn.AdaptiveAvgPool1d(1),
                               nn.Flatten(), nn.Linear(4, 3)), [2, 8], {}),
    'words': (nn.Sequential(nn.Embedding(7, 3), Turn(), Last(nn.LayerNorm(3)), nn.Flatten(), nn.Linear(15, 4)), [5], {}),
    'words-flat': (nn.Sequential(nn.Embedding(7, 3), nn.Flatten(), nn.Linear(15, 4)), [5], {}),
    'features': (nn.Sequential(nn.Linear(6, 5, bias=False), nn.ReLU(), Product(5, 4), nn.Softmax(1)), [6], {}),
}


def write(name, module, shape, settings):
    module = module.eval()
    settings = {'dynamic_axes': {'x': {0: 'batch'}}, 'opset_version': 17} | settings
    images = torch.rand(3, *shape)
    if isinstance(module[0], nn.Embedding):
        images = (images * module[0].num_embeddings).long()
    torch.onnx.export(module, images[:1], FOLDER / f'{name}.onnx', dynamo=False, input_names=['x'], **settings)
    with torch.no_grad():
        logits = module(images)
    if isinstance(module[-1], nn.Softmax):
        logits = logits.log()
    np.savez(FOLDER / f'{name}.npz', images=np.moveaxis(images.numpy(), 1, -1), logits=logits.numpy())


if __name__ == '__main__':
    warnings.filterwarnings('ignore')
    FOLDER.mkdir(exist_ok=True)
    for name, net in NETS.items():
        write(name, *net)

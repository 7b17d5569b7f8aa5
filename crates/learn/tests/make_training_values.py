"""Writes data/training.json, which tests/training_values.rs compares with: losses and their gradients, twenty steps of each optimiser, and the
factors of each schedule as PyTorch finds them.

    python make_training_values.py       # needs torch and numpy; made with torch 2.15

All is computed in float64, so that the differences are ours. What the other side must begin with comes from a formula that both know.
"""
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.optim import lr_scheduler as sched
from torch.optim.swa_utils import get_ema_multi_avg_fn

torch.set_default_dtype(torch.float64)
DATA = Path(__file__).resolve().parent / 'data'


def formula(n, seed):
    """Numbers from -1 to 1 that any language computes exactly: a multiplicative hash of the place."""
    hashed = (np.arange(n, dtype=np.uint64) * 2654435761 + seed * 40503) % 2**32
    hashed = ((hashed ^ (hashed >> np.uint64(15))) * 2246822519) % 2**32
    return torch.from_numpy(((hashed >> np.uint64(8)).astype(np.float64) / 2**23 - 1).astype(np.float32)).double()


SAMPLES, CLASSES = 6, 5
LABELS = [3, 0, 4, 4, 1, 2]


def losses():
    labels, onehot = torch.tensor(LABELS), F.one_hot(torch.tensor(LABELS), CLASSES).double()
    values = formula(SAMPLES * CLASSES, 2).abs().view(SAMPLES, CLASSES)
    weights = [0.5, 2.0, 1.0, 3.0, 0.25]
    w = torch.tensor(weights)
    plain, smooth = {'kind': 'cross-entropy'}, {'kind': 'cross-entropy', 'label_smoothing': 0.125}
    weighted = {**plain, 'class_weights': weights}
    squared, binary = {'kind': 'mean-squared'}, {'kind': 'binary-cross-entropy'}
    cases = [
        (plain, False, lambda z: F.cross_entropy(z, labels)),
        (smooth, False, lambda z: F.cross_entropy(z, labels, label_smoothing=0.125)),
        (weighted, False, lambda z: F.cross_entropy(z, labels, weight=w)),
        ({**smooth, **weighted}, False, lambda z: F.cross_entropy(z, labels, weight=w, label_smoothing=0.125)),
        (smooth, True, lambda z: F.cross_entropy(z, values, label_smoothing=0.125)),
        (weighted, True, lambda z: F.cross_entropy(z, values, weight=w)),
        (squared, False, lambda z: F.mse_loss(z, onehot)),
        (squared, True, lambda z: F.mse_loss(z, values)),
        (binary, False, lambda z: F.binary_cross_entropy_with_logits(z, onehot)),
        (binary, True, lambda z: F.binary_cross_entropy_with_logits(z, values)),
    ]
    for settings, soft, of in cases:
        logits = (8 * formula(SAMPLES * CLASSES, 1)).view(SAMPLES, CLASSES).requires_grad_()
        loss = of(logits)
        loss.backward()
        yield {'loss': settings, 'soft': soft, 'mean': loss.item(), 'gradient': logits.grad.flatten().tolist()}


# The tensors of a net of two dense layers, and which of them are weights.
SHAPES = [((6, 5), True), ((5,), False), ((5, 3), True), ((3,), False)]
STEPS = 20


def steps():
    adam = {'learning_rate': 0.01, 'beta1': 0.8, 'beta2': 0.99, 'epsilon': 1e-6}
    theirs = {'lr': 0.01, 'betas': (0.8, 0.99), 'eps': 1e-6}
    sgd = {'kind': 'sgd', 'learning_rate': 0.1}
    cases = [
        (sgd, {}, torch.optim.SGD, {'lr': 0.1}),
        ({**sgd, 'weight_decay': 0.05}, {}, torch.optim.SGD, {'lr': 0.1}),
        ({**sgd, 'momentum': 0.9, 'weight_decay': 0.05}, {'clip_norm': 2.5}, torch.optim.SGD, {'lr': 0.1, 'momentum': 0.9}),
        ({**sgd, 'momentum': 0.9, 'nesterov': True, 'weight_decay': 0.05, 'decay_all': True}, {'ema': 0.75}, torch.optim.SGD,
         {'lr': 0.1, 'momentum': 0.9, 'nesterov': True}),
        ({'kind': 'adam', **adam}, {'clip_norm': 2.5, 'ema': 0.75}, torch.optim.Adam, theirs),
        ({'kind': 'adam', **adam, 'weight_decay': 0.05, 'decay_all': True}, {}, torch.optim.Adam, theirs),
        ({'kind': 'adamw', **adam, 'weight_decay': 0.05}, {'ema': 0.75}, torch.optim.AdamW, theirs),
        ({'kind': 'adamw', **adam, 'weight_decay': 0.05, 'decay_all': True}, {'clip_norm': 2.5}, torch.optim.AdamW, theirs),
    ]
    for rule, around, make, settings in cases:
        count = sum(int(np.prod(shape)) for shape, _ in SHAPES)
        cut = lambda flat: [part.view(shape) for part, (shape, _) in zip(flat.split([int(np.prod(s)) for s, _ in SHAPES]), SHAPES)]
        tensors = [torch.nn.Parameter(part.clone()) for part in cut(formula(count, 7))]
        decay = rule.get('weight_decay', 0.0)
        groups = [{'params': [p], 'weight_decay': decay if is_weight or rule.get('decay_all') else 0.0}
                  for p, (_, is_weight) in zip(tensors, SHAPES)]
        optimiser = make(groups, **settings)
        schedule = sched.CosineAnnealingLR(optimiser, STEPS)
        average = None
        for step in range(STEPS):
            for p, g in zip(tensors, cut(formula(count, 100 + step))):
                p.grad = g.clone()
            if 'clip_norm' in around:
                torch.nn.utils.clip_grad_norm_(tensors, around['clip_norm'])
            optimiser.step()
            schedule.step()
            if 'ema' in around:  # as torch.optim.swa_utils.AveragedModel: the first weights, then the average
                if average is None:
                    average = [p.detach().clone() for p in tensors]
                else:
                    get_ema_multi_avg_fn(around['ema'])(average, [p.detach() for p in tensors], step)
        flat = lambda parts: torch.cat([p.detach().flatten() for p in parts]).tolist()
        yield {'update': {'optimiser': rule, **around}, 'parameters': flat(tensors), 'average': flat(average) if average else None}


def factors(make, steps, every=1):
    """The learning rates of an optimiser of rate 1 whose scheduler steps once every so many steps."""
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, found = make(optimiser), []
    for step in range(steps):
        found.append(optimiser.param_groups[0]['lr'])
        optimiser.step()
        if (step + 1) % every == 0 and step + 1 < steps:
            scheduler.step()
    return found


def schedules():
    total, epoch = 60, 6
    line = lambda o, begin, end, steps: sched.LinearLR(o, start_factor=begin, end_factor=end, total_iters=steps)
    then = lambda o, at, *both: sched.SequentialLR(o, list(both), milestones=[at])
    cosine = {'kind': 'cosine', 'floor': 0.1}
    cases = [
        ({'kind': 'constant'}, 1, lambda o: sched.ConstantLR(o, 1.0)),
        ({'kind': 'step', 'epochs': 3, 'factor': 0.5}, epoch, lambda o: sched.StepLR(o, 3, 0.5)),
        ({'kind': 'milestones', 'epochs': [2, 5, 9], 'factor': 0.3}, epoch, lambda o: sched.MultiStepLR(o, [2, 5, 9], 0.3)),
        ({'kind': 'cosine'}, 1, lambda o: sched.CosineAnnealingLR(o, total)),
        (cosine, 1, lambda o: sched.CosineAnnealingLR(o, total, eta_min=0.1)),
        ({'kind': 'one-cycle'}, 1, lambda o: sched.OneCycleLR(o, 1.0, total)),
        ({'kind': 'one-cycle', 'peak': 0.2, 'begin': 0.1, 'floor': 0.001}, 1,
         lambda o: sched.OneCycleLR(o, 1.0, total, pct_start=0.2, div_factor=10, final_div_factor=100)),
        ({'kind': 'triangular', 'peak': 0.25, 'begin': 0.2, 'floor': 0.05}, 1,
         lambda o: then(o, 15, line(o, 0.2, 1.0, 15), line(o, 1.0, 0.05, 45))),
        ({'kind': 'exponential', 'begin': 1e-5, 'end': 1.0}, 1, lambda o: sched.LambdaLR(o, lambda s: 1e-5 * (1e5 ** (1 / (total - 1))) ** s)),
        ({'kind': 'warm-up', 'steps': 4, 'epochs': 1.0, 'then': cosine}, 1,
         lambda o: then(o, 10, line(o, 1 / 11, 1.0, 10), sched.CosineAnnealingLR(o, total - 10, eta_min=0.1))),
    ]
    for settings, every, make in cases:
        yield {'schedule': settings, 'total': total, 'per_epoch': epoch, 'factors': factors(make, total, every)}


if __name__ == '__main__':
    DATA.mkdir(exist_ok=True)
    (DATA / 'training.json').write_text(json.dumps({'losses': list(losses()), 'steps': list(steps()), 'schedules': list(schedules())}))

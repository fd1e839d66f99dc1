"""Fifty training steps of a small Res2Net by timm and PyTorch: writes the fixture of crates/nn/tests/recipes.rs.

    python crates/bench/checks/recipes.py > crates/nn/tests/recipes.json     # torch 2.13, timm 1.0.31 and numpy
    python crates/bench/checks/recipes.py --mixing > crates/train/tests/mixing.json
    python crates/bench/checks/recipes.py --constants                        # of tests in crates/nn and crates/train

Weights and images follow the rule of crates/nn/tests/golden.md. Each case holds the losses of all steps and, of some
tensors, the norm and the first value after the last step, in float64. With --float32 it prints how far PyTorch's own
float32 is from that. Random draws are those of crates/random, put in the place of timm's.
"""
import json
import math
import random
import sys

# This folder has a statistics.py, which torch would import in place of Python's.
sys.path.pop(0)

import numpy as np
import timm
import timm.data.mixup
import timm.models.resnet
import torch
from timm.models.res2net import Bottle2neck
from timm.models.resnet import ResNet
from timm.data.mixup import Mixup, mixup_target
from timm.data.random_erasing import RandomErasing
from timm.loss import SoftTargetCrossEntropy
from timm.optim import Lamb, RMSpropTF, param_groups_layer_decay, param_groups_weight_decay
from timm.utils.clip_grad import dispatch_clip_grad

STEPS, BATCH, SIDE, CLASSES = 50, 8, 48, 10
MASK = (1 << 64) - 1


def fnv1a64(name):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x0100000001B3) & MASK
    return h


def splitmix(z):
    z = (z + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


class Key:
    """A stream of draws of crates/random."""

    def __init__(self, seed=None, state=None):
        self.state = splitmix(seed ^ 0x726573326C616231) if state is None else state

    def part(self, number):
        return Key(state=splitmix(self.state ^ splitmix((number + 0x9E3779B97F4A7C15) & MASK)))

    def named(self, name):
        return self.part(fnv1a64(name))

    def bits(self, counter):
        return splitmix((self.state + counter * 0x9E3779B97F4A7C15) & MASK)

    def uniform(self, counter):
        return (self.bits(counter) >> 11) / (1 << 53)

    def below(self, counter, n):
        return (self.bits(counter) * n) >> 64

    def beta(self, alpha):
        for trial in range(10_000):
            x, y = (math.log(self.uniform(2 * trial + i)) / alpha for i in (0, 1))
            total = max(x, y) + math.log(math.exp(x - max(x, y)) + math.exp(y - max(x, y)))
            if total <= 0:
                return math.exp(x - total)


def fill(name, n):
    z = np.arange(n, dtype=np.uint64) + np.uint64(fnv1a64(name)) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(40)).astype(np.float64) / (1 << 24) - 0.5


def network(dtype, **args):
    net = ResNet(Bottle2neck, [1, 1, 1, 1], num_classes=CLASSES, channels=(8, 16, 32, 64), base_width=26,
                 block_args=dict(scale=4), **args).to(dtype)
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if tensor.dtype == torch.long:
                continue
            values = fill(name, tensor.numel())
            if name.endswith(("running_var",)) or (tensor.ndim == 1 and name.endswith("weight")):
                values = values + 1
            elif tensor.ndim == 1:
                values = values * 0.2
            else:
                values = values * 2 * np.sqrt(3 / tensor[0].numel())
            tensor.copy_(torch.from_numpy(values).view(tensor.shape))
    return net.train()


def batch(step, dtype):
    """One of eight batches: all steps see the same 64 images, which a network can learn."""
    images = fill(f"images {step % 8}", BATCH * 3 * SIDE * SIDE) * 2
    labels = [(3 * i + step) % CLASSES for i in range(BATCH)]
    return torch.from_numpy(images).view(BATCH, 3, SIDE, SIDE).to(dtype), torch.tensor(labels)


def groups(net, decay, layer_decay=None):
    if layer_decay:
        return [dict(group, lr_scale=group["lr_scale"]) for group in
                param_groups_layer_decay(net, decay, layer_decay=layer_decay)]
    return param_groups_weight_decay(net, decay)


def scaled(optimizer, lr):
    for group in optimizer.param_groups:
        group["lr"] = lr * group.get("lr_scale", 1.0)
    return optimizer


def sgd(net, lr=1e-5, layer_decay=None):
    of = groups(net, 1e-3, layer_decay)
    return scaled(torch.optim.SGD(of, lr=lr, momentum=0.9, nesterov=True), lr)


def adamw(net, lr=4e-6, layer_decay=None):
    return scaled(torch.optim.AdamW(groups(net, 0.05, layer_decay), lr=lr, eps=1e-3), lr)


def lamb(net, lr=5e-6, layer_decay=None, **args):
    return scaled(Lamb(groups(net, 0.02, layer_decay), lr=lr, eps=1e-3, **args), lr)


def rmsprop(net, lr=2e-6):
    return RMSpropTF(groups(net, 1e-4), lr=lr, alpha=0.9, eps=1e-3, momentum=0.9)


class Factors(torch.nn.Module):
    """In the place of timm's DropPath, with its probability."""

    def __init__(self, name, rate):
        super().__init__()
        self.name, self.rate, self.key = name, rate, None

    def forward(self, x, channels=1):
        of = self.key.named("noise").named(self.name)
        draws = [[of.part(i).uniform(c) for c in range(channels)] for i in range(len(x))]
        factors = (torch.tensor(draws, dtype=torch.float64) >= self.rate).to(x.dtype) / (1 - self.rate)
        return x * factors.view(len(x), channels, *[1] * (x.ndim - 2))


def noisy(net):
    """Replaces drop path and dropout; returns what sets the key of a step."""
    found = []
    for stage in range(1, 5):
        block = getattr(net, f"layer{stage}")[0]
        if block.drop_path is not None:
            block.drop_path = Factors(f"layer{stage}.0.add.drop_path", block.drop_path.drop_prob)
            found.append(block.drop_path)
    head = Factors("fc.dropout", net.drop_rate)
    timm.models.resnet.F.dropout = lambda x, p, training: head(x, x.shape[1])
    found.append(head)

    def set_key(step):
        for factors in found:
            factors.key = Key(3).part(step)
    return set_key


CASES = {
    "sgd": lambda net: sgd(net, lr=2e-6),
    "sgd, layer decay 0.7": lambda net: sgd(net, layer_decay=0.7),
    "sgd, clip norm 0.5": (lambda net: sgd(net, lr=1e-4), "norm", 0.5),
    "sgd, clip value 0.003": (sgd, "value", 0.003),
    "sgd, clip agc 0.02": (lambda net: sgd(net, lr=1e-4), "agc", 0.02),
    "adamw": adamw,
    "adamw, layer decay 0.7": lambda net: adamw(net, layer_decay=0.7),
    "lamb": lamb,
    "lamb, layer decay 0.7": lambda net: lamb(net, layer_decay=0.7),
    "lamb, trust clip": lambda net: lamb(net, trust_clip=True),
    "lamb, always adapt, no clip": lambda net: lamb(net, always_adapt=True, max_grad_norm=None),
    "rmsprop_tf": rmsprop,
    "sgd, drop path 0.4, dropout 0.3": lambda net: sgd(net, lr=3e-6),
}


def train(case, dtype):
    make, clip, limit = case if isinstance(case, tuple) else (case, None, 0.0)
    is_noisy = case is CASES["sgd, drop path 0.4, dropout 0.3"]
    net = network(dtype, **(dict(drop_path_rate=0.4, drop_rate=0.3) if is_noisy else {}))
    set_key = noisy(net) if is_noisy else lambda step: None
    optimizer = make(net)
    losses = []
    for step in range(STEPS):
        images, labels = batch(step, dtype)
        set_key(step)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(images), labels, label_smoothing=0.1)
        loss.backward()
        if clip:
            parameters = list(net.parameters())
            dispatch_clip_grad(parameters[:-2] if clip == "agc" else parameters, limit, mode=clip)
        optimizer.step()
        losses.append(loss.item())
    kept = [(name, tensor) for name, tensor in net.state_dict().items() if tensor.dtype == dtype]
    tensors = {name: [tensor.norm().item(), tensor.flatten()[0].item()] for name, tensor in kept[::7]}
    return {"losses": losses, "tensors": tensors}


def scales(name, size):
    net = timm.create_model(name)
    of = {id(p): n for n, p in net.named_parameters()}
    found = {}
    for group in param_groups_layer_decay(net, 1.0, layer_decay=0.5):
        for p in group["params"]:
            found[of[id(p)]] = [group["lr_scale"], group["weight_decay"]]
    plain = {of[id(p)] for g in param_groups_weight_decay(net, 1.0) if g["weight_decay"] for p in g["params"]}
    assert plain == {n for n, (_, decay) in found.items() if decay}
    return found


def difference(a, b):
    pairs = [(x, y) for x, y in zip(a["losses"], b["losses"])]
    pairs += [(x[0], b["tensors"][name][0]) for name, x in a["tensors"].items()]
    return max(abs(x - y) / abs(y) for x, y in pairs)


def change(key, prob, switch_prob, mixup, cutmix):
    """The share and whether it is CutMix's, as crates/train/src/mix.rs draws them."""
    if key.named("prob").uniform(0) >= prob:
        return 1.0, False
    use_cutmix = cutmix > 0 and (mixup == 0 or key.part(0).uniform(0) >= 1 - switch_prob)
    return key.part(1).beta(cutmix if use_cutmix else mixup), use_cutmix


class OurMixup(Mixup):
    """timm's Mixup with the draws of crates/train/src/mix.rs."""

    def keys(self, n):
        return [self.key.named("image").part(i) for i in range(n)]

    def draws(self, key):
        return change(key, self.mix_prob, self.switch_prob, self.mixup_alpha, self.cutmix_alpha)

    def _params_per_batch(self):
        self.boxes = [self.key]
        return self.draws(self.key)

    def _params_per_elem(self, n):
        drawn = [self.draws(key) for key in self.keys(n)]
        self.boxes = [key for key, (share, cuts) in zip(self.keys(n), drawn) if share != 1.0 and cuts]
        return np.array([share for share, _ in drawn]), np.array([cuts for _, cuts in drawn])

    def box(self, img_shape, lam, margin=0.0, count=None):
        key = self.boxes.pop(0).part(1).named("center")
        centers = iter(key.below(i, size) for i, size in enumerate(img_shape[-2:]))
        np.random.randint = lambda low, high, size=None: next(centers)
        return BOX(img_shape, lam, margin, count)


BOX = timm.data.mixup.rand_bbox


def mixing():
    cases = []
    for mode in ("batch", "pair", "elem"):
        for step in range(20):
            prob, switch_prob, mixup, cutmix = [(1.0, 0.5, 0.2, 1.0), (0.6, 0.3, 0.4, 0.7), (1.0, 0.5, 0.8, 0.0),
                                                (0.8, 0.5, 0.0, 1.0)][step % 4]
            mix = OurMixup(mixup, cutmix, None, prob, switch_prob, mode, label_smoothing=0.1, num_classes=5)
            mix.key = Key(4).part(step)
            timm.data.mixup.rand_bbox = mix.box
            images = torch.from_numpy(fill("mixing", 6 * 2 * 9 * 7)).view(6, 2, 9, 7)
            images, target = mix(images.clone(), torch.tensor([0, 1, 2, 3, 4, 0]))
            weights = torch.from_numpy(fill("weights", images[0].numel())).view(images[0].shape)
            cases.append(dict(mode=mode, step=step, recipe=[prob, switch_prob, mixup, cutmix],
                              images=(images * weights).sum((1, 2, 3)).tolist(), target=target.double().tolist()))
    return cases


def constants():
    logits = torch.tensor([-1.0, 0.6, -0.3, 1.3, 0.0, -0.9, 0.7, -0.2, 1.0, 0.1, -0.8, 0.8], dtype=torch.float64)
    share = torch.tensor([[0.2], [1.0], [0.6]], dtype=torch.float64)
    target = mixup_target(torch.tensor([2, 0, 3]), 4, share, 0.1)
    print("objective.rs:", SoftTargetCrossEntropy()(logits.view(3, 4), target.double()).item())
    random.seed(0)
    erase, found = RandomErasing(1.0, mode="const", device="cpu"), []
    for _ in range(200_000):
        rows, columns = (~erase(torch.ones(1, 40, 60))[0].bool()).nonzero(as_tuple=True)
        if len(rows):
            height, width = (int(x.max() - x.min() + 1) for x in (rows, columns))
            found.append([height * width, height, width, int(rows.min()), int(columns.min())])
    found = np.array(found, dtype=np.float64)
    print("erase.rs:", list(zip(found.mean(0).round(5).tolist(), found.std(0).round(5).tolist())))


torch.set_num_threads(1)
if "--mixing" in sys.argv:
    json.dump(mixing(), sys.stdout, separators=(",", ":"))
elif "--constants" in sys.argv:
    constants()
elif "--float32" in sys.argv:
    for name, case in CASES.items():
        double = train(case, torch.float64)
        print(f"{name:32} {difference(train(case, torch.float32), double):.1e}  {double['losses'][0]:.3f} "
              f"{double['losses'][-1]:.3f}", flush=True)
else:
    runs = {name: train(case, torch.float64) for name, case in CASES.items()}
    nets = ["res2net50d", "resnet50", "dla60_res2net"]
    json.dump({"runs": runs, "parts": {name: scales(name, 64) for name in nets}}, sys.stdout, separators=(",", ":"))

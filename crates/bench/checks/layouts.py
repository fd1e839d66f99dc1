"""Checkpoints as other programs write them, of one small Res2Net, for crates/nn/tests/layouts.rs.

    python crates/bench/checks/layouts.py crates/nn/tests/pth      # torch 2.13, timm, lightning, segmentation_models_pytorch

- timm.pth.tar: timm's CheckpointSaver, with an average of the weights, an optimizer and arguments.
- lightning.ckpt: a Trainer's checkpoint of a LightningModule, with hyperparameters and callbacks.
- smp.pth: a Unet of segmentation_models_pytorch. Its class of Res2Net encoders is gone from today's versions; as it was,
  it is timm's network without a last layer.
- mmpretrain.pth: what mmengine's save_checkpoint writes (meta, state_dict, message_hub, optimizer), small enough to be kept
  here, so the layout is written by hand; programs.py lets the program itself write one.
- authors2019.pth: what the authors' training script wrote in 2019: DataParallel, the format before 2020, numbers as
  Python 2 and NumPy pickle them. Their program needs a PyTorch of that time, so the layout is written here by hand.
- script.pt, module.pth: torch.jit.script and torch.save(model), which are not weights.

Every tensor is filled by the rule of golden.md, without its gains; copies by the rule for "ema NAME".
"""
import argparse
import collections
import datetime
import pathlib
import sys
import tempfile

import lightning
import numpy
import segmentation_models_pytorch as smp
import timm
import torch
from timm.models.res2net import Bottle2neck
from timm.models.resnet import ResNet
from timm.utils import CheckpointSaver, ModelEmaV3

OUT = pathlib.Path(sys.argv[1])
BITS = (1 << 64) - 1


def rule(name, count):
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = (key ^ byte) * 0x100000001B3 & BITS
    values = []
    for i in range(count):
        z = (key + i + 0x9E3779B97F4A7C15) & BITS
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & BITS
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & BITS
        values.append(((z ^ (z >> 31)) >> 40) / (1 << 24) - 0.5)
    return values


def filled(module, copy=""):
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.tensor(rule(copy + name, tensor.numel())).view_as(tensor))
    return module.half()


WORDS = dict(block=Bottle2neck, layers=(1, 1, 1, 1), base_width=64, block_args=dict(scale=2))


def network(classes=5):
    return filled(ResNet(**WORDS, channels=(2, 4, 8, 16), num_classes=classes))


def stepped(net):
    """An optimizer with something in it."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    return optimizer


def of_timm(folder):
    net = network()
    average = ModelEmaV3(net)
    filled(average.module, "ema ")
    args = argparse.Namespace(model="res2net_tiny", lr=0.1, data_dir=pathlib.Path("imagenet"), mean=(0.485, 0.456, 0.406))
    saver = CheckpointSaver(net, stepped(net), args=args, model_ema=average, checkpoint_dir=folder, recovery_dir=folder)
    saver.save_checkpoint(3, metric=numpy.float64(61.5))
    return pathlib.Path(folder, "last.pth.tar").read_bytes()


class Lit(lightning.LightningModule):
    def __init__(self, args, root):
        super().__init__()
        self.save_hyperparameters()
        self.model = network()
        self.register_buffer("class_weights", torch.ones(5))

    def training_step(self, batch, _):
        return sum(p.sum() for p in self.parameters()) * 0.0

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


def of_lightning(folder):
    lit = Lit(argparse.Namespace(lr=0.1), pathlib.Path("data"))
    trainer = lightning.Trainer(max_steps=1, accelerator="cpu", logger=False, default_root_dir=folder, enable_progress_bar=False,
                                enable_model_summary=False)
    trainer.fit(lit, torch.utils.data.DataLoader(torch.zeros(1, 1)))
    trainer.save_checkpoint(f"{folder}/last.ckpt")
    return pathlib.Path(folder, "last.ckpt").read_bytes()


class Unet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = ResNet(**WORDS, channels=(2, 4, 8, 16))
        del self.encoder.fc
        self.decoder = smp.decoders.unet.decoder.UnetDecoder((3, 64, 8, 16, 32, 64), (8, 8, 4, 4, 2), n_blocks=5)
        self.segmentation_head = smp.base.SegmentationHead(2, 2)


def of_smp():
    net = Unet()
    filled(net.encoder)
    return {"model": net.half().state_dict(), "epoch": 4, "score": numpy.float32(0.7)}


def of_mmpretrain():
    net = network().state_dict()
    state = collections.OrderedDict()
    for name, tensor in net.items():
        state[("head." if name.startswith("fc.") else "backbone.") + name] = tensor
    state._metadata = collections.OrderedDict()
    meta = dict(epoch=3, iter=300, cfg="model = dict(type='ImageClassifier')", seed=7, experiment_name="r2n",
                time=datetime.datetime(2024, 5, 1).strftime("%Y%m%d"), mmengine_version="0.10.4",
                dataset_meta=dict(classes=("a", "b", "c", "d", "e")), saved_at=datetime.datetime(2024, 5, 1, 12))
    hub = dict(log_scalars={"train/lr": numpy.arange(3.0)}, runtime_info={}, resumed_keys={})
    return dict(meta=meta, state_dict=state, message_hub=hub, optimizer=stepped(network()).state_dict())


def of_authors():
    net = torch.nn.DataParallel(network())
    return {"epoch": 90, "arch": "res2net50", "state_dict": net.state_dict(), "best_acc1": numpy.float64(77.99),
            "optimizer": stepped(net.module).state_dict()}


with tempfile.TemporaryDirectory() as folder:
    (OUT / "timm.pth.tar").write_bytes(of_timm(folder))
    (OUT / "lightning.ckpt").write_bytes(of_lightning(folder))
torch.save(of_smp(), OUT / "smp.pth")
torch.save(of_mmpretrain(), OUT / "mmpretrain.pth")
torch.save(of_authors(), OUT / "authors2019.pth", _use_new_zipfile_serialization=False)
small = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.BatchNorm2d(2))
torch.jit.script(small).save(OUT / "script.pt")
torch.save(small, OUT / "module.pth")

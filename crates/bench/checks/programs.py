"""Checkpoints that other programs themselves train and save, read by res2lab: the same logits.

    just build && python crates/bench/checks/programs.py
    # a Python with torch 2.13, timm, safetensors, lightning, segmentation_models_pytorch, mmpretrain, mmengine, mmcv-lite

A program that is not installed is skipped, and said so. Exit status 1 if logits differ by more than 1e-4 of their spread.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import timm
import torch
from safetensors.torch import save_file

RES2LAB = os.environ.get("RES2LAB", "target/release/res2lab")


def res2lab(*args):
    done = subprocess.run([RES2LAB, *map(str, args)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"res2lab {' '.join(map(str, args))} failed:\n{done.stderr}")
    return done.stdout


def randomized(net):
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return net


def of_mmpretrain(folder):
    """One epoch by mmengine's Runner, whose own hook writes the checkpoint."""
    import mmpretrain
    from mmengine.runner import Runner
    from mmpretrain.structures import DataSample

    net = randomized(mmpretrain.get_model("res2net50-w26-s8_3rdparty_8xb32_in1k", pretrained=False))
    samples = [dict(inputs=torch.zeros(3, 64, 64, dtype=torch.uint8), data_samples=DataSample().set_gt_label(i)) for i in (0, 1)]
    loader = torch.utils.data.DataLoader(samples, batch_size=2, collate_fn=list_of_dicts)
    Runner(net, work_dir=folder, train_dataloader=loader, train_cfg=dict(by_epoch=True, max_epochs=1), log_level="ERROR",
           optim_wrapper=dict(optimizer=dict(type="SGD", lr=1e-3, momentum=0.9)), default_scope="mmpretrain",
           default_hooks=dict(checkpoint=dict(type="CheckpointHook", interval=1))).train()
    net.eval()
    return pathlib.Path(folder, "epoch_1.pth"), "res2net50_26w_8s", lambda image: net(image, mode="tensor")


def list_of_dicts(samples):
    return dict(inputs=torch.stack([s["inputs"] for s in samples]), data_samples=[s["data_samples"] for s in samples])


def of_lightning(folder):
    """One step by Lightning's Trainer."""
    import lightning

    class Lit(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.save_hyperparameters()
            self.model = randomized(timm.create_model("res2net50_26w_4s"))

        def training_step(self, batch, _):
            return self.model(batch).square().mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=1e-3, momentum=0.9)

    lit = Lit()
    trainer = lightning.Trainer(max_steps=1, accelerator="cpu", logger=False, default_root_dir=folder,
                                enable_progress_bar=False, enable_model_summary=False)
    trainer.fit(lit, torch.utils.data.DataLoader(torch.rand(2, 3, 64, 64), batch_size=2))
    lit.eval()
    return next(pathlib.Path(folder).rglob("*.ckpt")), "res2net50_26w_4s", lit.model


def of_smp(folder):
    """An encoder of segmentation_models_pytorch, saved by its own save_pretrained, which has no last layer: res2lab plans to
    start from it, and to draw that layer anew."""
    import segmentation_models_pytorch as smp

    randomized(smp.Unet("tu-res2net50_26w_4s", encoder_weights=None)).save_pretrained(folder)
    return pathlib.Path(folder, "model.safetensors"), "res2net50_26w_4s", None


failed = 0
image = torch.randn(1, 3, 224, 224)
for make in (of_smp, of_mmpretrain, of_lightning):
    name = make.__name__.removeprefix("of_")
    with tempfile.TemporaryDirectory() as folder:
        try:
            file, network, net = make(folder)
        except ImportError as e:
            print(f"{name}: skipped, {e}")
            continue
        if net is None:
            plan = json.loads(res2lab("plan", f"zoo={network}", "scale=4", f"weights={file}", "data=generated", "data.size=64", "batch=4",
                                      "seed=0", "--no-time", "--json"))
            ok = any("encoder.model." in note for note in plan["notes"])
            print(f"{name}: {[note for note in plan['notes'] if str(file) in note or 'weights' in note]}")
        else:
            save_file({"images": image}, f"{folder}/image.safetensors")
            ours = torch.tensor(json.loads(res2lab("predict", network, f"weights={file}", f"{folder}/image.safetensors"))["logits"])
            with torch.no_grad():
                theirs = net(image)
            worst = ((ours - theirs).abs().max() / theirs.std()).item()
            ok = worst <= 1e-4
            print(f"{name}: {file.name}, logits differ by {worst:.1e} of their spread")
        failed += not ok
sys.exit(failed > 0)

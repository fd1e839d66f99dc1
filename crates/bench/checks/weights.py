"""timm's Res2Net family and resnet50 with random weights, saved in three formats, read by res2lab: the same logits; and
back into timm with strict=True.

    just build && python crates/bench/checks/weights.py     # a Python with torch 2.13, timm and safetensors

Exit status 1 if a network differs by more than 1e-4 of its logits' spread.
"""
import json
import os
import subprocess
import sys
import tempfile

import timm
import torch
from safetensors.torch import load_file, save_file

NAMES = sys.argv[1:] or [
    "res2net50_26w_4s", "res2net50_48w_2s", "res2net50_14w_8s", "res2net50_26w_6s", "res2net50_26w_8s",
    "res2net101_26w_4s", "res2next50", "res2net50d", "res2net101d", "dla60_res2net", "dla60_res2next", "resnet50",
]
RES2LAB = os.environ.get("RES2LAB", "target/release/res2lab")


def res2lab(*args):
    done = subprocess.run([RES2LAB, *args], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"res2lab {' '.join(args)} failed:\n{done.stderr}")
    return done.stdout


def randomized(name):
    torch.manual_seed(0)
    net = timm.create_model(name, pretrained=False)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    net.train()
    with torch.no_grad():
        for _ in range(3):
            net(torch.randn(2, 3, 224, 224))
    return net.eval()


failed = 0
with tempfile.TemporaryDirectory() as folder:
    image = torch.randn(1, 3, 224, 224)
    save_file({"images": image}, f"{folder}/image.safetensors")
    for name in NAMES:
        net = randomized(name)
        state = {key: value.contiguous() for key, value in net.state_dict().items()}
        save_file(state, f"{folder}/w.safetensors")
        torch.save(net.state_dict(), f"{folder}/zip.pth")
        torch.save({"state_dict": net.state_dict()}, f"{folder}/legacy.pth", _use_new_zipfile_serialization=False)
        with torch.no_grad():
            theirs = net(image)
        worst = 0.0
        for file in ("w.safetensors", "zip.pth", "legacy.pth"):
            out = res2lab("predict", name, f"weights={folder}/{file}", f"{folder}/image.safetensors")
            ours = torch.tensor(json.loads(out)["logits"])
            worst = max(worst, ((ours - theirs).abs().max() / theirs.std()).item())
        res2lab("weights", name, f"weights={folder}/legacy.pth", "--out", f"{folder}/back.safetensors")
        again = timm.create_model(name, pretrained=False)
        again.load_state_dict(load_file(f"{folder}/back.safetensors"), strict=True)
        with torch.no_grad():
            back = torch.equal(again.eval()(image), theirs)
        ok = worst <= 1e-4 and back
        failed += not ok
        print(f"{name:20} logits differ by {worst:.1e} of their spread, back in timm {'equal' if back else 'DIFFERENT'}", flush=True)
print(f"{len(NAMES) - failed} passed, {failed} failed")
sys.exit(failed > 0)

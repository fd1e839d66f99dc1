"""500 JPEGs of mixed sizes: what res2lab's evaluation sees of them is what torchvision's transforms give, and a
res2net50_26w_4s that res2lab trained on them briefly predicts what timm predicts with torchvision's transforms.

    just build && python crates/bench/checks/images.py     # a Python with torch 2.13, torchvision, timm, safetensors, pyarrow

Exit status 1 if the mean pixel error is above 1.5 of 255, or fewer than 99 % of the predictions agree.
"""
import os
import subprocess
import sys
import tempfile

import numpy as np
import pyarrow.parquet as pq
import timm
import torch
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_torch
from torchvision import datasets
from torchvision import transforms as T

HERE = os.path.dirname(os.path.abspath(__file__))
RES2LAB = os.path.abspath(os.environ.get("RES2LAB", "target/release/res2lab"))


def res2lab(*args):
    done = subprocess.run([RES2LAB, *args], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"res2lab {' '.join(args)} failed:\n{done.stderr}")
    return done.stdout


with tempfile.TemporaryDirectory() as folder:
    pictures = f"{folder}/pictures"
    subprocess.run([sys.executable, f"{HERE}/pictures.py", pictures, "200", "500", "--mixed"], check=True)
    crop = T.Compose([T.Resize(256), T.CenterCrop(224)])
    normal = T.Compose([T.ToTensor(), T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    theirs = datasets.ImageFolder(f"{pictures}/val", crop)
    theirs.samples.sort(key=lambda sample: (sample[1], sample[0]))

    res2lab("pipeline", pictures, "--crops", f"{folder}/crops.safetensors", "--data", folder)
    ours = load_file(f"{folder}/crops.safetensors")["images"]
    errors = [np.abs(np.asarray(theirs[i][0], float) - ours[i]).mean() for i in range(len(theirs))]
    print(f"crops: {len(errors)} pictures, mean pixel error {np.mean(errors):.2f} of 255, worst picture {max(errors):.2f}")

    with open(f"{folder}/brief.yaml", "w") as f:
        f.write(
            "name: brief\nmodel: {zoo: res2net50_26w_4s}\n"
            f"data: {{name: images, path: {pictures}, augment: {{flip: true, crop_scale: [0.6, 1.0]}}}}\n"
            "train: {epochs: 5, batch_size: 10, optimizer: {sgd: {lr: 0.02, nesterov: true}}, schedule: one_cycle, eval_every: 5, log_every: 5}\n"
        )
    res2lab("sweep", f"{folder}/brief.yaml", "--threads", "2", "--slots", "1", "--reports", folder, "--data", folder)
    run = next(os.scandir(f"{folder}/brief/runs")).path
    res2lab("eval", run, "--predictions", f"{folder}/p.parquet", "--data", folder)
    table = pq.read_table(f"{folder}/p.parquet").to_pydict()
    guess = dict(zip(table["image"], table["guess1"]))
    net = timm.create_model("res2net50_26w_4s", num_classes=10)
    net.load_state_dict(load_torch(f"{run}/checkpoints/best.safetensors"), strict=True)
    net.eval()
    same, right = 0, 0
    with torch.inference_mode():
        for i in range(0, len(theirs), 20):
            batch = torch.stack([normal(theirs[j][0]) for j in range(i, min(i + 20, len(theirs)))])
            for j, g in enumerate(net(batch).argmax(1).tolist(), i):
                path, label = theirs.samples[j]
                same += g == guess[path]
                right += g == label
    agree, kinds = same / len(theirs), len(set(guess.values()))
    print(f"predictions: {100 * agree:.1f} % agree with timm's ({kinds} of 10 classes guessed, {100 * right / len(theirs):.0f} % right)")
    # A network that always says the same agrees with anything.
    sys.exit(np.mean(errors) > 1.5 or agree < 0.99 or kinds < 5)

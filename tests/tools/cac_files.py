"""Synthetic checkpoints in the format of the CAC release, and its network in plain PyTorch."""

from pathlib import Path

import cv2
import torch
import torch.nn.functional as F

WIDTHS = [3, 64, 64, 128, 128, 128, 128, 128, 128, 128]
NORM = ("running_mean", "running_var", "weight", "bias")
PHOTO = Path(__file__).parents[2] / "docs" / "images" / "camvid_0001TP_008640.jpg"


def release(open_set=True, seed=0, dropout_first=False, unused=True):
    """Content of a file of the release with random weights.

    As ``nn.Module.state_dict`` of a network that registers its layers, and again inside three
    sequences: convolution, norm, activation, three times, and dropout, at the end or in front.
    """
    generator = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.randn(shape, generator=generator)

    net = {}
    for n in range(1, 10):
        net[f"encoder.bn{n}.weight"] = 1 + 0.2 * random(WIDTHS[n])
        net[f"encoder.bn{n}.bias"] = 0.2 * random(WIDTHS[n])
        net[f"encoder.bn{n}.running_mean"] = 0.2 * random(WIDTHS[n])
        net[f"encoder.bn{n}.running_var"] = 0.5 + random(WIDTHS[n]).square()
        net[f"encoder.bn{n}.num_batches_tracked"] = torch.tensor(1000 + n)
        fan_in = 9 * WIDTHS[n - 1]
        net[f"encoder.conv{n}.weight"] = (
            random(WIDTHS[n], WIDTHS[n - 1], 3, 3) * (2 / fan_in) ** 0.5
        )
    for n in range(1, 10):
        block, place = 1 + (n - 1) // 3, 3 * ((n - 1) % 3) + dropout_first
        sequence = f"encoder.encoder{block}"
        net[f"{sequence}.{place}.weight"] = net[f"encoder.conv{n}.weight"]
        for part in (*NORM, "num_batches_tracked"):
            net[f"{sequence}.{place + 1}.{part}"] = net[f"encoder.bn{n}.{part}"]
    net["classify.weight"] = 0.05 * random(6, 2048)
    net["classify.bias"] = random(6)
    if open_set:
        net["means"] = 10 * torch.eye(6, dtype=torch.float64) + 0.25
        if unused:
            net["covars"] = random(6, 6, 6).double()
            net["invcovars"] = random(6, 6, 6).double()
    return {"net": net, "acc": 93.25, "epoch": 148}


def save(content, path):
    """Write it as the torch of that time did."""
    torch.save(content, path, _use_new_zipfile_serialization=False)
    return path


def logits(net, inputs):
    """The network in evaluation, ``(N, 3, 32, 32)`` to ``(N, 6)``."""
    x = inputs
    for n in range(1, 10):
        x = F.conv2d(x, net[f"encoder.conv{n}.weight"], stride=2 if n % 3 == 0 else 1, padding=1)
        norm = [
            net[f"encoder.bn{n}.{p}"] for p in ("running_mean", "running_var", "weight", "bias")
        ]
        x = F.leaky_relu(F.batch_norm(x, *norm), 0.2)
    return F.linear(x.reshape(len(x), 128 * 4 * 4), net["classify.weight"], net["classify.bias"])


def normalised(path, mean, std):
    """An image file as the release loads it: RGB / 255, minus mean, over std; ``(3, 32, 32)``."""
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    pixels = torch.from_numpy(image).permute(2, 0, 1).float() / 255
    return (pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


def crops(count):
    """Squares of 32 x 32 from a photograph, BGR."""
    photo = cv2.imread(str(PHOTO))
    rows, columns = photo.shape[0] // 32, photo.shape[1] // 32
    assert count <= rows * columns
    places = [divmod(index * 7 % (rows * columns), columns) for index in range(count)]
    return [photo[32 * r : 32 * r + 32, 32 * c : 32 * c + 32] for r, c in places]

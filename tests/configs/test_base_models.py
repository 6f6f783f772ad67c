"""Base models are those that mmsegmentation ships."""

from pathlib import Path

import mmseg
import pytest
from mmengine.config import Config
from mmseg.registry import MODELS

pytestmark = pytest.mark.usefixtures("mmseg_scope")
ROOT = Path(__file__).parents[2] / "configs" / "_base_" / "models"
SHIPPED = Path(mmseg.__path__[0], ".mim", "configs")
CITYSCAPES = "8xb1-160k_cityscapes-1024x1024.py"
# Each with a config of mmsegmentation that uses it.
MODELS_OF_MMSEG = {
    "deeplabv3plus_r101": "deeplabv3plus/deeplabv3plus_r101-d8_4xb2-80k_cityscapes-512x1024.py",
    "deeplabv3plus_r50": "deeplabv3plus/deeplabv3plus_r50-d8_4xb2-80k_cityscapes-512x1024.py",
    "fcn_r50": "fcn/fcn_r50-d8_4xb2-80k_cityscapes-512x1024.py",
    "pspnet_r50": "pspnet/pspnet_r50-d8_4xb2-80k_cityscapes-512x1024.py",
    "ocrnet_hr18": "ocrnet/ocrnet_hr18_4xb2-80k_cityscapes-512x1024.py",
    "upernet_swin-t": "swin/swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512.py",
    "upernet_convnext-t": "convnext/convnext-tiny_upernet_8xb2-amp-160k_ade20k-512x512.py",
    **{f"segformer_mit-b{i}": f"segformer/segformer_mit-b{i}_{CITYSCAPES}" for i in range(6)},
}
SHIPPED_EXIST = pytest.mark.skipif(
    not SHIPPED.is_dir(), reason="mmsegmentation is installed without its configs"
)


def plain(node):
    """Lists for tuples, so that equal configs compare equal."""
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items()}
    return [plain(value) for value in node] if isinstance(node, (list, tuple)) else node


def load(path):
    return plain(Config.fromfile(path).to_dict()["model"])


@SHIPPED_EXIST
@pytest.mark.parametrize("name", MODELS_OF_MMSEG)
def test_equals_the_one_of_mmsegmentation(name):
    ours, theirs = load(ROOT / f"{name}.py"), load(SHIPPED / MODELS_OF_MMSEG[name])
    assert ours.pop("type") == "mmosr.OpenSet" + theirs.pop("type")
    # What belongs to the data set and its crops.
    theirs["data_preprocessor"].pop("size")
    assert theirs.pop("test_cfg")["mode"] in ("whole", "slide")
    assert ours.pop("test_cfg") == {"mode": "whole"}
    for part in ("decode_head", "auxiliary_head"):
        for head in ours, theirs:
            if isinstance(head.get(part), dict):
                head[part].pop("num_classes")
    # The older spelling of the same.
    pretrained = theirs.pop("pretrained", None)
    if pretrained is not None:
        theirs["backbone"]["init_cfg"] = {"type": "Pretrained", "checkpoint": pretrained}
    for model in ours, theirs:  # the two lines of packages name different servers
        weights = model["backbone"]["init_cfg"]
        weights["checkpoint"] = weights["checkpoint"].split("/v0", 1)[-1]
    assert ours == theirs


def test_every_base_model_is_compared():
    ours = {path.stem for path in ROOT.glob("*.py")}
    for_images = {"osrcinet", "wrn16-4", "crosr_vgg13", "swin-s", "swin-b"}
    for_images |= {f"resnet{depth}_cifar" for depth in (18, 34, 50, 101)}
    for_images |= {"resnet50", "resnet101"}
    own = {"deeplabv3plus_r18", "deeplabv3plus_r34-2stages", "segformer_mit-b0-half"}
    assert ours == set(MODELS_OF_MMSEG) | own | for_images


@pytest.mark.parametrize(
    "name",
    ["fcn_r50", "pspnet_r50", "ocrnet_hr18", "upernet_swin-t", "upernet_convnext-t"]
    + [f"segformer_mit-b{i}" for i in (0, 1, 2)],
)
def test_builds_with_a_score(name):
    model = MODELS.build(Config.fromfile(ROOT / f"{name}.py").model)
    assert model.score_names == ("msp",) and model.num_classes == 19
    assert model.backbone.init_cfg["type"] == "Pretrained"

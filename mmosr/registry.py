"""The map of the package: one registry per kind of part, each a child of mmengine's root registry.

Every part is addressed as ``type='mmosr.Name'`` from any config, whatever its default scope. The
locations are imported when a registry is first used, and register its parts.
"""

from mmengine.registry import DATA_SAMPLERS as MMENGINE_DATA_SAMPLERS
from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODEL_WRAPPERS as MMENGINE_MODEL_WRAPPERS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS as MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.registry import OPTIM_WRAPPERS as MMENGINE_OPTIM_WRAPPERS
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import Registry

_DATA = ["mmosr.datasets.members"]

MODELS = Registry(
    "model",
    parent=MMENGINE_MODELS,
    scope="mmosr",
    locations=["mmosr.methods", "mmosr.segmentation", "mmosr.classification"],
)
MODEL_WRAPPERS = Registry(
    "model wrapper",
    parent=MMENGINE_MODEL_WRAPPERS,
    scope="mmosr",
    locations=["mmosr.classification"],
)
DATASETS = Registry("dataset", parent=MMENGINE_DATASETS, scope="mmosr", locations=_DATA)
DATA_SAMPLERS = Registry(
    "data sampler", parent=MMENGINE_DATA_SAMPLERS, scope="mmosr", locations=_DATA
)
TRANSFORMS = Registry("transform", parent=MMENGINE_TRANSFORMS, scope="mmosr", locations=_DATA)
METRICS = Registry(
    "metric",
    parent=MMENGINE_METRICS,
    scope="mmosr",
    locations=[
        "mmosr.evaluation.open_set_metric",
        "mmosr.evaluation.open_set_recognition_metric",
    ],
)
HOOKS = Registry("hook", parent=MMENGINE_HOOKS, scope="mmosr", locations=["mmosr.engine"])
OPTIM_WRAPPERS = Registry(
    "optimizer wrapper",
    parent=MMENGINE_OPTIM_WRAPPERS,
    scope="mmosr",
    locations=["mmosr.engine"],
)
OPTIM_WRAPPER_CONSTRUCTORS = Registry(
    "optimizer wrapper constructor",
    parent=MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS,
    scope="mmosr",
    locations=["mmosr.engine"],
)
# Post-hoc scores; mmengine has no such registry, so this one is a root.
SCORES = Registry("score", scope="mmosr", locations=["mmosr.scores"])

"""Tests of the checks of ``optim_wrapper`` against the model."""

import pytest
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from torch import nn

from mmosr.engine import MixtureOptimWrapperConstructor, check_optimizer
from mmosr.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmosr.utils import InputError

from .mixture_toy import make_model

pytestmark = pytest.mark.usefixtures("mmpretrain_scope")
OWN = "mmosr.MixtureOptimWrapperConstructor"
LAYER_DECAY = "LearningRateDecayOptimWrapperConstructor"


def check(model, **wrapper):
    check_optimizer(
        Config(dict(optim_wrapper={"optimizer": dict(type="SGD", lr=1.0), **wrapper})), model
    )


class TestMixture:
    def test_it_needs_an_optimizer_of_its_own(self):
        message = (
            "^the mixture of L-GMM would be trained with the encoder's optimizer: set "
            rf'optim_wrapper=dict\(constructor="{OWN}"\)'
        )
        for model in (make_model(), nn.ModuleDict({"module": make_model()})):
            with pytest.raises(InputError, match=message):
                check(model)
        check(make_model(), constructor=OWN)
        check(make_model(), constructor=OWN, mixture=dict(type="SGD", lr=1.0))
        check(make_model(), constructor=MixtureOptimWrapperConstructor)

    def test_the_constructor_that_is_there_becomes_the_encoders(self):
        message = (
            rf'set optim_wrapper=dict\(constructor="{OWN}", encoder_constructor="{LAYER_DECAY}"'
        )
        with pytest.raises(InputError, match=message):
            check(make_model(), constructor=LAYER_DECAY)
        check(make_model(), constructor=OWN, encoder_constructor=LAYER_DECAY)

    def test_a_constructor_derived_from_it(self):
        @OPTIM_WRAPPER_CONSTRUCTORS.register_module(name="TestDerived", force=True)
        class Derived(MixtureOptimWrapperConstructor):
            def __call__(self, model: nn.Module) -> OptimWrapper:
                return super().__call__(model)

        check(make_model(), constructor="mmosr.TestDerived")

    def test_models_without_mixture(self):
        check(nn.Linear(2, 2))
        check(nn.Linear(2, 2), constructor=LAYER_DECAY)


@pytest.mark.parametrize(
    ("wrapper", "message"),
    [
        (dict(optimizer=dict(type="SGDD")), "optim_wrapper.optimizer: no optimizer 'SGDD'; .*SGD'"),
        (dict(constructor=OWN, mixture=dict(type="Adm")), "optim_wrapper.mixture: no .*'Adam'"),
        (dict(constructor="DefaultOptimWraper"), "optim_wrapper.constructor: no .* 'DefaultOptimW"),
        (dict(constructor=OWN, encoder_constructor="NoSuch"), "encoder_constructor: no .*'NoSuch'"),
    ],
)
def test_names(wrapper, message):
    with pytest.raises(InputError, match=message):
        check(make_model(), **wrapper)

"""Fixtures of the image models."""

import pytest
from mmengine.registry import init_default_scope

pytest.register_assert_rewrite("tests.classification.contract")


@pytest.fixture
def mmpretrain_scope():
    """Names in configs are looked up in mmpretrain, as the configs' ``default_scope`` says."""
    init_default_scope("mmpretrain")

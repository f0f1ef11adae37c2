"""Studies that several files test on, made once."""

import pytest
from tests.branches import normed_study, residual_study


@pytest.fixture(scope="session", name="normed_study")
def with_batch_norm(tmp_path_factory) -> normed_study.Made:
    """The study of `normed_study`: its config and its folder."""
    return normed_study.build(tmp_path_factory.mktemp("normed"))


@pytest.fixture(scope="session", name="residual_study")
def with_additions(tmp_path_factory) -> residual_study.Made:
    """The study of `residual_study`: its config and its folder."""
    return residual_study.build(tmp_path_factory.mktemp("residual"))

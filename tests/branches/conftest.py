"""Studies that several files test on, made once."""

import pytest
from tests.branches import normed_study, residual_study
from tests.once import made_once


@pytest.fixture(scope="session", name="normed_study")
def with_batch_norm(tmp_path_factory) -> normed_study.Made:
    """The study of `normed_study`: its config and its folder."""
    folder = made_once(tmp_path_factory, "normed", normed_study.build)
    return normed_study.config(), folder


@pytest.fixture(scope="session", name="residual_study")
def with_additions(tmp_path_factory) -> residual_study.Made:
    """The study of `residual_study`: its config and its folder."""
    folder = made_once(tmp_path_factory, "residual", residual_study.build)
    return residual_study.config(), folder

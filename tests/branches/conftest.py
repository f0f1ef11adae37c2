"""Studies that several files test on, made once."""

import pytest
from tests.branches import normed_study


@pytest.fixture(scope="session")
def two_networks(tmp_path_factory) -> normed_study.Made:
    """The study of `normed_study`: its config and its folder."""
    return normed_study.build(tmp_path_factory.mktemp("normed"))

"""The network and the samples of most tests of criteria."""

import pytest
from tests.criteria import networks


@pytest.fixture
def model():
    return networks.built()


@pytest.fixture
def inputs():
    return networks.samples()

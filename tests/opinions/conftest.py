import pytest
from engine import Engine
from releases import Player


@pytest.fixture(scope="session")
def player():
    player = Player(Engine)
    yield player
    player.engine.close()


@pytest.fixture(scope="session")
def gone():
    """The ways from a state to the next that the releases before have gone."""
    return set()

"""Speech whose sounds are known, for the tests of the voice."""

from __future__ import annotations

import pytest

from didlive.errors import BadInput
from didlive.voice.espeak import speak
from didlive.voice.speech import Speech

SENTENCE = "Bob may buy five pots of blue moon soup. Many people bake apple pies at home."


@pytest.fixture(scope="session")
def speech() -> Speech:
    """A sentence with many closed lips, spoken by a voice that the network was not trained on, with its phonemes."""
    try:
        return speak(SENTENCE, "en-us+m5")
    except BadInput as error:
        pytest.skip(f"{error} (see TEST_TOOLS in the Makefile)")

"""The panels around the stage: portraits, motion, camera, output and voice. They talk to Studio only."""

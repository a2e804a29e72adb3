"""A voice drives the face: sound to lips, lips to motion, and camera and voice together."""

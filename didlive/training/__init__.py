"""Training of the networks that didlive ships; the only home of torch."""

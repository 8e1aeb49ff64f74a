"""From a trained network to a model file: export, quantisation, parity."""

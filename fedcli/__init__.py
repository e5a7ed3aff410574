"""fedcli: train one scikit-learn model on rows that never leave their silos, by exchanging files."""

__version__ = "0.1.0"

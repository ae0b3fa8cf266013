"""What the published code has in its module `roi_data_layer.layer`: the Python layers its prototxts name."""

from minicaffe.detection.ohem_data_layer import OHEMDataLayer
from minicaffe.detection.roi_data_layer import RoIDataLayer

__all__ = ["OHEMDataLayer", "RoIDataLayer"]

"""HDF5Output: writes two bottoms to an HDF5 file. Source: Caffe's hdf5_output_layer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from minicaffe.blob import Blob
from minicaffe.data.hdf5 import append_rows
from minicaffe.errors import DataError
from minicaffe.layer import Layer, register


@register("HDF5Output", v1="HDF5_OUTPUT")
class HDF5OutputLayer(Layer):
    """Writes its bottoms as the datasets `data` and `label`, each with the four axes of old: num, channels, height,
    width.

    bottoms: any two blobs of the same num and at most 4 axes; no tops.
    The file is begun anew by the layer's first forward, and every further forward appends its rows. (Caffe empties the
    file when the net is built, and cannot write to it a second time.) After every forward the file is whole and closed.
    A relative `file_name` counts from the working directory. As nothing is computed, the gradient is zero.
    """

    bottoms = 2
    tops = 0

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        name = self.param.hdf5_output_param.file_name
        self.check(bool(name), "hdf5_output_param needs a file_name to write to")
        self.path = Path(name)
        self.begun = False
        if not self.path.absolute().parent.is_dir():
            raise DataError(
                f"{self.where}: file_name {name!r} lies in a folder that does not exist: {self.path.absolute().parent}"
            )

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.check(bottom[0].num == bottom[1].num, "the bottoms must hold the same number of items", bottom)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        data, label = (blob.data.reshape(blob.num, blob.channels, blob.height, blob.width) for blob in bottom)
        try:
            append_rows(self.path, {"data": data, "label": label}, create=not self.begun)
        except DataError as error:
            raise DataError(f"{self.where}: {error}") from error
        self.begun = True

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        for blob, wanted in zip(bottom, propagate_down, strict=True):
            if wanted:
                blob.diff_array[...] = 0

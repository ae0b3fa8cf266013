"""HDF5Data: rows of arrays in HDF5 files. Source: Caffe's hdf5_data_layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minicaffe.blob import Blob
from minicaffe.data.hdf5 import RowReader
from minicaffe.layer import register
from minicaffe.layers.base_data import BaseDataLayer, listed_files


@register("HDF5Data", v1="HDF5_DATA")
class HDF5DataLayer(BaseDataLayer):
    """Rows of the datasets named like the tops, file after file of a text file that lists them, round and round.

    tops: [B, …] for a dataset [R, …], any number of axes >= 1, the same R for all tops. With `shuffle` the order of
    files is drawn in each epoch and that of rows each time a file is read. One whole file at a time is in memory;
    nothing is prefetched. With data-parallel training, in TRAIN, each process takes every size-th row. There is no
    transform_param. Listed files are looked for from the working directory, the list's folder and the prototxt's.
    """

    tops = (1, None)

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        param = self.param.hdf5_data_param
        self.check(
            not self.param.HasField("transform_param"),
            "transform_param cannot be applied to HDF5 data: transform the arrays when the files are written",
        )
        (self.batch_size,) = self.positive("hdf5_data_param", "batch_size")
        with self.located():
            files = listed_files(self.find(param.source, "hdf5_data_param.source"), self.setting.folder)
            generator = self.generator("order") if param.shuffle else None
            self.reader = RowReader(files, list(self.param.top), generator, *self.shard)
        for blob, shape in zip(top, self.reader.shapes, strict=True):
            blob.reshape(self.batch_size, *shape)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        with self.located():
            self.reader.fill([blob.data for blob in top])

    def get_state(self) -> dict[str, Any]:
        return self.reader.get_state()

    def set_state(self, state: dict[str, Any]) -> None:
        with self.located():
            self.reader.set_state(state)

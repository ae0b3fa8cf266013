"""Where numbers come from: databases, image lists, HDF5 files, their transformation, and reading them ahead of time."""

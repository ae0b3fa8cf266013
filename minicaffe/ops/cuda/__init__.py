"""The operations on a GPU: kernels in CUDA C++ (the `.cu` files), and NVIDIA's cuBLAS and cuDNN.

A module here overrides the operations that `minicaffe.ops.CUDA_OVERRIDES` names, with the same signatures; arrays that
its kernels do not take (strided ones, say) go to the definition.
"""

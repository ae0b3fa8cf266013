"""Every key of the detection configuration with its default.

Keys and values are those of the published Fast R-CNN and OHEM code, so that its YAML files and `--set` lists keep their
meaning; what only exists here stands under "ours". The type of a default is the type its key takes.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def defaults() -> dict[str, Any]:
    """Return a fresh nested dictionary: section or key → default."""
    return {
        "TRAIN": _train(),
        "TEST": _test(),
        "DEDUP_BOXES": 1 / 16,  # boxes that coincide at this scale, the stride of the features, are computed once
        "PIXEL_MEANS": np.array([[[102.9801, 115.9465, 122.7717]]]),  # B, G, R
        "RNG_SEED": 3,
        "EPS": 1e-14,
        "ROOT_DIR": ".",
        "DATA_DIR": "data",
        "MODELS_DIR": "models/pascal_voc",
        "MATLAB": "matlab",
        "EXP_DIR": "default",
        "USE_GPU_NMS": True,
        "GPU_ID": 0,
        # -- ours
        "BAD_DATA": "skip",  # 'skip': name what is wrong with the data and go on without; 'stop': end the run
        "CLASSES": (),  # names in their order, without background; empty: as the data set says
        "MIN_PROPOSAL_SIZE": 2,  # x2 - x1 of the smallest proposal that is used
        "USE_CACHE": True,
        "CACHE_DIR": "",  # where roidbs are kept; empty: the user's cache folder
        "GRID": {"SMALLEST": 32.0, "SIZES_PER_OCTAVE": 2.0, "ASPECTS": (0.5, 1.0, 2.0), "STEP": 0.5, "MOST": 3000},
    }


def _train() -> dict[str, Any]:
    return {
        "SCALES": (600,),  # pixels of the shorter side, one drawn for each image
        "MAX_SIZE": 1000,
        "IMS_PER_BATCH": 2,
        "BATCH_SIZE": 128,  # regions
        "FG_FRACTION": 0.25,
        "FG_THRESH": 0.5,
        "BG_THRESH_HI": 0.5,
        "BG_THRESH_LO": 0.1,
        "USE_FLIPPED": True,
        "BBOX_REG": True,
        "BBOX_THRESH": 0.5,
        "SNAPSHOT_ITERS": 10000,
        "SNAPSHOT_INFIX": "",
        "USE_PREFETCH": False,
        "BBOX_NORMALIZE_TARGETS": True,
        "BBOX_INSIDE_WEIGHTS": (1.0, 1.0, 1.0, 1.0),
        "BBOX_NORMALIZE_TARGETS_PRECOMPUTED": False,
        "BBOX_NORMALIZE_MEANS": (0.0, 0.0, 0.0, 0.0),
        "BBOX_NORMALIZE_STDS": (0.1, 0.1, 0.2, 0.2),
        "PROPOSAL_METHOD": "selective_search",  # or 'grid'
        "ASPECT_GROUPING": True,
        "HAS_RPN": False,
        "RPN_POSITIVE_OVERLAP": 0.7,
        "RPN_NEGATIVE_OVERLAP": 0.3,
        "RPN_CLOBBER_POSITIVES": False,
        "RPN_FG_FRACTION": 0.5,
        "RPN_BATCHSIZE": 256,
        "RPN_NMS_THRESH": 0.7,
        "RPN_PRE_NMS_TOP_N": 12000,
        "RPN_POST_NMS_TOP_N": 2000,
        "RPN_MIN_SIZE": 16,
        "RPN_BBOX_INSIDE_WEIGHTS": (1.0, 1.0, 1.0, 1.0),
        "RPN_POSITIVE_WEIGHT": -1.0,
        "USE_OHEM": False,
        "OHEM_USE_NMS": True,
        "OHEM_NMS_THRESH": 0.7,
        # -- ours
        "DATA": "",  # 'voc:PATH:SET', 'coco:JSON:IMAGES' or a published name; '+' joins several
        "PROPOSALS": "",  # .mat or .npz; '+' joins several; empty: as PROPOSAL_METHOD says
        "USE_DIFFICULT": False,  # learn from objects marked difficult too
        "PREFETCH_DEPTH": 10,  # batches filled ahead with USE_PREFETCH
    }


def _test() -> dict[str, Any]:
    return {
        "SCALES": (600,),
        "MAX_SIZE": 1000,
        "NMS": 0.3,
        "SVM": False,
        "BBOX_REG": True,
        "HAS_RPN": False,
        "PROPOSAL_METHOD": "selective_search",
        "RPN_NMS_THRESH": 0.7,
        "RPN_PRE_NMS_TOP_N": 6000,
        "RPN_POST_NMS_TOP_N": 300,
        "RPN_MIN_SIZE": 16,
        # -- ours
        "DATA": "",
        "PROPOSALS": "",
    }

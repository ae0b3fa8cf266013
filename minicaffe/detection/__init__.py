"""Fast R-CNN with online hard example mining: from photographs with boxes to detections with scores.

Read in this order: `boxes` (geometry), `dataset` (photographs and what stands in them), `proposals`, `roidb` (regions
to learn from), `targets`, `sampling`, `minibatch`, `roi_data_layer`, `ohem`, `detect`, `evaluate`. Boxes are (x1, y1,
x2, y2), 0-based and inclusive: a box is x2 - x1 + 1 pixels wide. Class 0 is background.
"""

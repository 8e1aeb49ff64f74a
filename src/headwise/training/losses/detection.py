"""Which cells answer for which head, and what they are charged: scores, boxes and five points.

Assignment: SimOTA (YOLOX, Ge et al. 2021): each head takes the few cells near its middle that already
predict it best, more of them the better they do. Score: quality focal loss (Li et al. 2020) toward the
overlap of the predicted box. Box: distance-IoU (Zheng et al. 2020).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from headwise.training.heads.detector import RawDetections

CENTER_RADIUS_STRIDES = 1.5  # cells so near a head's middle may answer for it (SimOTA: 1.5 to 2.5)
MOST_CELLS = 10  # of one head
OVERLAP_COST = 3.0  # against 1 for the score, as in YOLOX
FAR_COST = 1e5  # of a cell that is no candidate
FOCUS = 2.0  # exponent of the quality focal loss
IGNORE_MARGIN = 0.1  # of an ignored box's sides: cells in this frame around it are not charged either
POINT_ERROR_KNEE = 0.02  # of the box side, where the point loss turns from square to linear
EPSILON = 1e-7
POINTS_PER_HEAD = 5


@dataclass(frozen=True)
class HeadTargets:
    """Labels of n pictures, padded to g heads each.

    ``boxes`` (n, g, 4), ``points`` (n, g, 5, 2) pixels, ``points_visible`` (n, g, 5) bool, ``present`` (n,
    g) bool: a head to be found, ``ignored`` (n, g) bool: neither right nor wrong. Padding is neither.
    """

    boxes: Tensor
    points: Tensor
    points_visible: Tensor
    present: Tensor
    ignored: Tensor


@dataclass(frozen=True)
class Assignment:
    """``head`` (n, a) index of the head a cell answers for, -1 none; ``quality`` (n, a) overlap with it,
    0..1;
    ``free`` (n, a) bool: no head, but inside an ignored one: not charged."""

    head: Tensor
    quality: Tensor
    free: Tensor


@dataclass(frozen=True)
class DetectionLoss:
    """Means over the cells that answer for a head (weighted by quality); all 0-dim."""

    score: Tensor
    box: Tensor
    points: Tensor


def intersection_over_union(boxes: Tensor, others: Tensor) -> Tensor:
    """Of boxes (..., 4) that broadcast against each other -> (...)."""
    low = torch.maximum(boxes[..., :2], others[..., :2])
    high = torch.minimum(boxes[..., 2:], others[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    areas = (boxes[..., 2:] - boxes[..., :2]).prod(-1) + (others[..., 2:] - others[..., :2]).prod(-1)
    return shared / (areas - shared).clamp(min=EPSILON)


def distance_iou_loss(boxes: Tensor, targets: Tensor) -> Tensor:
    """1 - IoU + squared distance of the middles over the squared diagonal of the common hull; (..., 4) ->
    (...).
    """
    low = torch.minimum(boxes[..., :2], targets[..., :2])
    high = torch.maximum(boxes[..., 2:], targets[..., 2:])
    diagonal = (high - low).square().sum(-1)
    gap = (boxes[..., :2] + boxes[..., 2:] - targets[..., :2] - targets[..., 2:]) / 2
    return 1 - intersection_over_union(boxes, targets) + gap.square().sum(-1) / diagonal.clamp(min=EPSILON)


def quality_focal_loss(logits: Tensor, quality: Tensor) -> Tensor:
    """|p - quality|^2 times the cross entropy toward the quality, element by element."""
    gap = (logits.sigmoid() - quality).abs().pow(FOCUS)
    return gap * F.binary_cross_entropy_with_logits(logits, quality, reduction="none")


@torch.no_grad()
def assign(found: RawDetections, targets: HeadTargets) -> Assignment:
    """SimOTA over a batch."""
    n, heads = targets.present.shape
    cells = found.centers.shape[0]
    if heads == 0:
        nothing = torch.zeros(n, cells, device=found.logits.device)
        return Assignment(head=nothing.long() - 1, quality=nothing, free=nothing.bool())
    overlap = intersection_over_union(found.boxes[:, None], targets.boxes[:, :, None])  # (n, g, a)
    candidate = _near_middle(found, targets.boxes) & targets.present[:, :, None]
    overlap = overlap * candidate
    score_cost = F.softplus(-found.logits)[:, None]  # cross entropy toward "a head"
    cost = score_cost - OVERLAP_COST * torch.log(overlap + EPSILON) + FAR_COST * ~candidate
    most = min(MOST_CELLS, cells)
    wanted = overlap.topk(most, dim=2).values.sum(2).int().clamp(min=1)  # (n, g)
    cheapest = cost.topk(most, dim=2, largest=False)
    chosen = torch.arange(most, device=cost.device) < wanted[..., None]
    matched = torch.zeros_like(candidate).scatter_(2, cheapest.indices, chosen) & candidate
    head_cost, head = torch.where(matched, cost, torch.inf).min(
        dim=1
    )  # a cell wanted twice goes to the cheaper
    taken = torch.isfinite(head_cost)
    quality = overlap.gather(1, head[:, None])[:, 0]
    return Assignment(
        head=torch.where(taken, head, -1),
        quality=torch.where(taken, quality, 0.0),
        free=~taken & _inside_ignored(found.centers, targets),
    )


def detection_loss(found: RawDetections, targets: HeadTargets) -> DetectionLoss:
    """Charge every cell that is not free for its score, and those that answer for a head for box and
    points.
    """
    answer = assign(found, targets)
    goal = answer.quality.sqrt()  # presence counts more than the last pixels of the box
    total = goal.sum().clamp(min=1.0)
    score = (quality_focal_loss(found.logits, goal) * ~answer.free).sum() / total
    picture, cell = torch.nonzero(answer.head >= 0, as_tuple=True)
    head = answer.head[picture, cell]
    weight = goal[picture, cell].clamp(min=0.1) / total
    boxes = targets.boxes[picture, head]
    box = (distance_iou_loss(found.boxes[picture, cell], boxes) * weight).sum()
    side = (boxes[:, 2:] - boxes[:, :2]).amax(1).clamp(min=1.0)[:, None, None]
    error = (found.points[picture, cell] - targets.points[picture, head]) / side
    charge = F.smooth_l1_loss(error, torch.zeros_like(error), beta=POINT_ERROR_KNEE, reduction="none").mean(2)
    visible = targets.points_visible[picture, head].float()
    points = ((charge * visible).sum(1) / POINTS_PER_HEAD * weight).sum()
    return DetectionLoss(score=score, box=box, points=points)


def _near_middle(found: RawDetections, boxes: Tensor) -> Tensor:
    """(n, g, a): cells within the radius of a head's middle and, unless the head is tiny, inside its box."""
    middle = (boxes[..., :2] + boxes[..., 2:])[:, :, None] / 2
    half = (boxes[..., 2:] - boxes[..., :2])[:, :, None] / 2
    reach = torch.minimum(
        (CENTER_RADIUS_STRIDES * found.strides)[None, None, :, None],
        half.clamp(
            min=float(found.strides.min())
        ),  # a head smaller than a cell still has one whose centre is near
    )
    return ((found.centers - middle).abs() <= reach).all(-1)


def _inside_ignored(centers: Tensor, targets: HeadTargets) -> Tensor:
    """(n, a): cells whose centre lies in an ignored box or its margin."""
    margin = (targets.boxes[..., 2:] - targets.boxes[..., :2]) * IGNORE_MARGIN
    low, high = (targets.boxes[..., :2] - margin)[:, :, None], (targets.boxes[..., 2:] + margin)[:, :, None]
    inside = ((centers >= low) & (centers <= high)).all(-1)
    return (inside & targets.ignored[:, :, None]).any(1)


def create() -> Callable[[RawDetections, HeadTargets], DetectionLoss]:
    """detection_loss."""
    return detection_loss

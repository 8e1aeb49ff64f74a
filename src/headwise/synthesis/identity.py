"""Who a head is and what its face does: body shape and expression, sampled from the art's shape targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headwise.synthesis.assets import HeadAssets
from headwise.synthesis.mesh import FloatArray

ANCESTRIES = ("african", "asian", "caucasian")
SHAPE_SPREAD = {
    "head": 0.25,
    "ears": 0.32,
    "eyes": 0.26,
    "nose": 0.28,
    "mouth": 0.3,
    "chin": 0.3,
    "cheek": 0.32,
    "forehead": 0.32,
    "eyebrows": 0.28,
    "neck": 0.28,
}
"""Lengths and widths of the face then vary by 6 to 9 % (standard deviation), the nose's width by 14 %."""
SHAPE_MEAN = {
    "nose/nose-scale-depth": 0.35,
    "nose/nose-base": 0.25,
    "nose/nose-trans": 0.3,
    "nose/nose-scale-horiz": 0.35,
    "eyes/x-eye-push1": 0.4,
    "mouth/mouth-scale-horiz": 0.35,
    "chin/chin-height": 0.15,
}
"""The art's average face has a flat, narrow nose, a short upper lip and a narrow mouth: its nose's tip lies
0.42 widths of the eyes before their outer corners, that of the face model behind AFLW2000-3D's labels 0.51.
Poses are read from just these proportions. The amounts are judgement, chosen for plausible adults."""
SHAPE_LIMIT = 0.95
LEFT_RIGHT_DIFFERENCE = 0.05
HEAD_OUTLINES = ("oval", "round", "rectangular", "square", "triangular", "invertedtriangular", "diamond")
MOUTH_MOVES = (
    "mouth-compression",
    "mouth-depression",
    "mouth-depression-retraction",
    "mouth-elevation",
    "mouth-eversion",
    "mouth-parling",
    "mouth-part-later",
    "mouth-protusion",
    "mouth-pursing",
    "mouth-retraction",
    "mouth-upward-retraction",
    "nose-compression",
    "neck-platysma",
    "mouth-open",
)


@dataclass(frozen=True)
class Identity:
    """Shares of ancestry [3] and age groups, maleness 0..1, weight -1..1."""

    ancestry: tuple[float, float, float]
    maleness: float
    child: float
    young: float
    old: float
    weight: float

    @property
    def is_male(self) -> bool:
        return self.maleness > 0.5


def sample_identity(rng: np.random.Generator) -> Identity:
    """A person: any ancestry mix, one child in ten, half young adults."""
    african, asian, caucasian = rng.dirichlet([0.35, 0.35, 0.35])
    maleness = float(np.clip(rng.choice([0.05, 0.95]) + rng.normal(0, 0.12), 0, 1))
    group, share = rng.random(), rng.random()
    child = old = 0.0
    if group < 0.1:
        child = 1 - 0.8 * share
    elif group > 0.55:
        old = share
    weight = float(np.clip(rng.normal(0, 0.5), -1, 1))
    return Identity((african, asian, caucasian), maleness, child, 1 - child - old, old, weight)


def shape_of(identity: Identity, assets: HeadAssets, rng: np.random.Generator) -> FloatArray:
    """Body shape [n,3] in decimetres: the identity's macro targets plus random detail of every feature."""
    vertices = assets.rest.copy()

    def add(name: str, weight: float) -> None:
        target = assets.targets.get(name)
        if target is not None and weight:
            vertices[target.index] += target.offsets_dm * np.float32(weight)

    muscle = float(np.clip(rng.normal(0, 0.5), -1, 1))
    ages = {"child": identity.child, "young": identity.young, "old": identity.old}
    sexes = {"male": identity.maleness, "female": 1 - identity.maleness}
    for sex, sex_share in sexes.items():
        for age, age_share in ages.items():
            share = sex_share * age_share
            if not share:
                continue
            for ancestry, part in zip(ANCESTRIES, identity.ancestry, strict=True):
                add(f"macrodetails/{ancestry}-{sex}-{age}", part * share)
            build = f"macrodetails/universal-{sex}-{age}"
            average = 1 - 0.5 * abs(muscle) - 0.5 * abs(identity.weight)
            add(f"{build}-averagemuscle-averageweight", share * average)
            add(f"{build}-{_end(muscle)}muscle-averageweight", share * abs(muscle) * 0.5)
            add(f"{build}-averagemuscle-{_end(identity.weight)}weight", share * abs(identity.weight) * 0.8)
    for name, weight in _detail(assets, rng).items():
        positive, negative = assets.target_pairs[name]
        add(positive if weight > 0 else negative, abs(weight))
    if rng.random() < 0.6:
        add(f"head/head-{rng.choice(HEAD_OUTLINES)}", rng.random() * 0.6)
    add("head/head-age-incr", identity.old * rng.random() * 0.7)
    for name in assets.targets:
        if name.startswith("asym/") and rng.random() < 0.12:
            add(name, rng.random() * 0.35)
    return vertices


def _end(value: float) -> str:
    return "max" if value > 0 else "min"


def _detail(assets: HeadAssets, rng: np.random.Generator) -> dict[str, float]:
    """Signed weight of every paired feature target; left and right nearly alike."""
    shared: dict[str, float] = {}
    weights = {}
    for name in assets.target_pairs:
        region, feature = name.split("/")[:2]
        spread = SHAPE_SPREAD.get(region)
        turns_the_head = "head-angle" in feature or ("trans" in feature and region in ("head", "neck"))
        if spread is None or turns_the_head or "head-age" in feature:
            continue
        if "trans" in feature:
            spread *= 0.5
        if "push" in feature or "epicanthus" in feature:
            spread *= 0.7
        both_sides = name.replace("/l-", "/x-").replace("/r-", "/x-")
        if both_sides not in shared:
            drawn = rng.normal(SHAPE_MEAN.get(both_sides, 0), spread)
            shared[both_sides] = float(np.clip(drawn, -SHAPE_LIMIT, SHAPE_LIMIT))
        own = rng.normal(0, LEFT_RIGHT_DIFFERENCE) if both_sides != name else 0.0
        weights[name] = shared[both_sides] + own
    return weights


def sample_expression(rng: np.random.Generator) -> dict[str, float]:
    """Weights of expression units. Brows are lifted a little: the art's neutral face looks stern."""
    moves: dict[str, float] = {}
    mood = rng.random()
    if mood < 0.2:
        pass
    elif mood < 0.67:
        squint = rng.uniform(0, 0.5)
        moves |= {
            "mouth-corner-puller": rng.uniform(0.2, 1.1),
            "mouth-open": rng.choice([0, rng.uniform(0.05, 0.5)]),
            "mouth-parling": rng.choice([0, rng.uniform(0.2, 1.0)], p=[0.35, 0.65]),
            # bares the teeth
            "mouth-upward-retraction": rng.choice([0, rng.uniform(0.2, 0.8)], p=[0.4, 0.6]),
            "eye-left-slit": squint,
            "eye-right-slit": squint,
        }
    elif mood < 0.8:
        moves["mouth-open"] = rng.uniform(0.1, 0.9)
    else:
        for name in rng.choice(MOUTH_MOVES, rng.integers(1, 4), replace=False):
            moves[str(name)] = rng.uniform(0.2, 0.8)
    if rng.random() < 0.4:
        strength, way = rng.uniform(0.2, 0.9), rng.choice(["up", "down", "inner-up", "extern-up"])
        for side in ("left", "right"):
            moves[f"eyebrows-{side}-{way}"] = strength * rng.uniform(0.8, 1.2)
    if rng.random() < 0.7:
        lift = rng.uniform(0.1, 0.4)
        for side in ("left", "right"):
            moves.setdefault(f"eyebrows-{side}-inner-up", lift)
            moves.setdefault(f"eyebrows-{side}-up", lift * 0.5)
    lids = rng.random()
    if lids < 0.08:
        moves |= {"eye-left-closure": 1.0, "eye-right-closure": 1.0}
    elif lids < 0.11:
        moves[f"eye-{rng.choice(['left', 'right'])}-closure"] = rng.uniform(0.5, 1)
    elif lids < 0.35:
        closed = rng.uniform(0.1, 0.5)
        moves |= {"eye-left-closure": closed, "eye-right-closure": closed}
    elif lids < 0.5:
        opened = rng.uniform(0.2, 0.8)
        moves |= {"eye-left-opened-up": opened, "eye-right-opened-up": opened}
    return {name: float(weight) for name, weight in moves.items()}


def express(
    vertices: FloatArray, moves: dict[str, float], identity: Identity, assets: HeadAssets
) -> FloatArray:
    """The body shape [n,3] with an expression put on, blended over the ancestries' own expression targets."""
    moved = vertices.copy()
    for name, weight in moves.items():
        for ancestry, part in zip(ANCESTRIES, identity.ancestry, strict=True):
            target = assets.targets.get(f"expression/units/{ancestry}/{name}")
            if target is not None:
                moved[target.index] += target.offsets_dm * np.float32(weight * part)
    return moved

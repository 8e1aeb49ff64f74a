"""One person as meshes in the head frame (decimetres, origin at the head's centre), ready to pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headwise.synthesis import wardrobe
from headwise.synthesis.assets import HeadAssets, texture_of
from headwise.synthesis.body import Body
from headwise.synthesis.identity import express, sample_expression, sample_identity, shape_of
from headwise.synthesis.mesh import FloatArray, IntArray, Material, Mesh, Vector4, about_x, about_y, rgba

HAIR_COLOURS = np.array(
    [
        [0.012, 0.009, 0.008],
        [0.02, 0.013, 0.009],
        [0.035, 0.02, 0.012],
        [0.06, 0.033, 0.018],
        [0.11, 0.06, 0.03],
        [0.2, 0.115, 0.055],
        [0.36, 0.24, 0.12],
        [0.5, 0.38, 0.22],
        [0.16, 0.06, 0.025],
        [0.28, 0.27, 0.26],
        [0.55, 0.55, 0.54],
    ]
)
LIGHT_HAIR_ODDS = np.array([5, 5, 4, 3, 2.0, 1.5, 1, 0.6, 0.7, 0.2, 0.2])
DARK_HAIR_ODDS = np.array([6, 5, 2, 0.6, 0.2, 0.1, 0.1, 0.05, 0.05, 0.3, 0.2])
GREY_HAIR_ODDS = np.array([1, 1, 1, 0.6, 0.3, 0.2, 0.2, 0.2, 0.1, 3, 3])
BROWN_EYES = ["brown_eye"] * 6 + ["brownlight_eye"] * 2
LIGHT_EYES = ["blue_eye", "bluegreen_eye", "deepblue_eye", "green_eye", "grey_eye", "lightblue_eye"]
GAZE_SPREAD_DEG = (9.0, 13.0)
GAZE_LIMIT_DEG = (15.0, 28.0)


@dataclass(frozen=True, eq=False)
class Subject:
    """A person: meshes, landmarks [68,3] and the head's skin [k,3] in the head frame, what was drawn."""

    meshes: tuple[Mesh, ...]
    landmarks_dm: FloatArray
    hair_clip: Vector4
    attributes: dict[str, float | str]


def sample_subject(assets: HeadAssets, rng: np.random.Generator) -> Subject:
    """Draw a person with everything on."""
    identity = sample_identity(rng)
    moves = sample_expression(rng)
    vertices = express(shape_of(identity, assets, rng), moves, identity, assets)
    body = Body.centred(vertices, identity, assets, torso_turn=_sample_torso_turn(rng))
    hair_colour = _sample_hair_colour(body, rng)
    skin = _skin(body, hair_colour, rng)
    outfit = wardrobe.dress(body, rng)
    parts: list[Mesh] = [
        skin.without(outfit.covered) if outfit.covered is not None else skin.mesh,
        *outfit.meshes,
    ]
    parts += _eyes(body, rng)
    if sum(weight for name, weight in moves.items() if "mouth" in name) > 0.05:
        parts += _mouth(body, rng)
    parts += _brows_and_lashes(body, hair_colour, rng)
    headgear = wardrobe.head_cover(body, hair_colour, rng)
    parts += headgear.meshes
    parts += wardrobe.accessories(body, rng)
    posed = tuple(body.turn_torso(mesh) for mesh in parts)
    share = {name: getattr(identity, name) for name in ("maleness", "child", "old", "weight")}
    ancestry = {
        f"ancestry_{k}": v for k, v in zip(("african", "asian", "caucasian"), identity.ancestry, strict=True)
    }
    return Subject(
        meshes=posed,
        landmarks_dm=body.vertices[assets.landmarks],
        hair_clip=headgear.hair_clip,
        attributes={k: round(float(v), 3) for k, v in (share | ancestry).items()}
        | {"cover": headgear.name, "outfit": outfit.name},
    )


def _sample_torso_turn(rng: np.random.Generator) -> FloatArray:
    """Rotation vector (radians) of the torso against the head, about the neck."""
    degrees = np.clip(rng.normal(0, 24, 3) * [0.7, 1.2, 0.6], [-28, -55, -24], [28, 55, 24])
    return np.radians(degrees).astype(np.float32)


def _sample_hair_colour(body: Body, rng: np.random.Generator) -> FloatArray:
    identity = body.identity
    odds = (
        GREY_HAIR_ODDS
        if identity.old > 0.6
        else LIGHT_HAIR_ODDS
        if identity.ancestry[2] > 0.5
        else DARK_HAIR_ODDS
    )
    colour = HAIR_COLOURS[rng.choice(len(HAIR_COLOURS), p=odds / odds.sum())] * np.exp(rng.normal(0, 0.2))
    if rng.random() < 0.03:
        colour = rng.uniform(0.02, 0.4, 3)
    return np.asarray(colour, np.float32)


@dataclass(frozen=True)
class _Skin:
    mesh: Mesh
    body: Body

    def without(self, covered: IntArray) -> Mesh:
        """The skin without triangles whose vertices clothes cover."""
        hidden = np.zeros(len(self.body.vertices), bool)
        hidden[covered] = True
        assets, mesh = self.body.assets, self.mesh
        keep = ~hidden[assets.base.triangles].all(1)
        return Mesh(
            mesh.points,
            mesh.normals,
            assets.skin_triangles[keep],
            mesh.material,
            mesh.uv,
            mesh.weights,
            None,
            mesh.head_fraction,
        )


def _skin(body: Body, hair_colour: FloatArray, rng: np.random.Generator) -> _Skin:
    assets, identity = body.assets, body.identity
    dark = identity.ancestry[0] > 0.5
    age = "old" if identity.old > 0.6 else "middleage" if identity.old > 0.25 else "young"
    fitting = [
        name
        for name in assets.skins
        if ("_female" in name) != identity.is_male and ("dark" in name) == dark and name.startswith(age)
    ]
    name = rng.choice(fitting)
    tint = np.ones(3) * np.exp(rng.normal(0, 0.06))
    if dark:
        tint = tint * np.exp(np.array([1.0, 0.9, 0.85]) * rng.uniform(-0.45, 0.45))
    else:
        melanin = 0.25 * rng.random() + 1.3 * identity.ancestry[0] * rng.random()
        melanin = np.clip(melanin + 0.3 * identity.ancestry[1] * rng.random(), 0, 1)
        tint = tint * np.exp(-melanin * np.array([0.85, 1.05, 1.25])) * np.exp(rng.normal(0, 0.04, 3))
    vertex = assets.skin_vertices
    weights = np.zeros((len(vertex), 3), np.float32)
    weights[:, 0] = 0.12 + 0.88 * np.clip(assets.occlusion[vertex] * 1.15, 0, 1)
    beard_density, scalp_density = _sample_stubble(body, rng)
    stubble = np.maximum(assets.beard_mask * beard_density, assets.scalp_mask * scalp_density)
    weights[:, 1] = stubble[vertex]
    weights[:, 2] = (assets.lips_mask - assets.lids_mask)[vertex]
    colour = hair_colour * 0.8 + 0.004
    material = Material(
        "skin",
        texture=f"skin_{name}_h",
        second_texture=f"skin_{name}_b",
        tint=rgba(tint),
        tint2=rgba(colour, 0.022),
        surface=(rng.uniform(0.5, 0.72), 0.028, rng.uniform(0.2, 0.9), 1),
        makeup=_sample_makeup(body, rng),
    )
    mesh = Mesh(
        body.vertices[vertex],
        assets.base.normals(body.vertices)[vertex],
        assets.skin_triangles,
        material,
        assets.skin_uv,
        weights,
        None,
        assets.head_fraction[vertex],
    )
    return _Skin(mesh, body)


def _sample_makeup(body: Body, rng: np.random.Generator) -> Vector4:
    """Lips a little redder than the skin, or painted; lids a little darker, or painted."""
    painted = rng.random() < (0.05 if body.identity.is_male or body.identity.child > 0.3 else 0.6)
    lips = np.exp(-rng.uniform(0, 0.35) * np.array([0.3, 1.0, 0.9]))
    lids = rng.uniform(0, 0.25)
    if painted:
        lips = np.exp(-rng.uniform(0.3, 1.5) * rng.uniform([0.0, 0.6, 0.3], [0.5, 1.3, 1.2]))
        lids = rng.uniform(0.1, 0.75)
    return float(lips[0]), float(lips[1]), float(lips[2]), float(lids)


def _sample_stubble(body: Body, rng: np.random.Generator) -> tuple[float, float]:
    """Density of beard and of cropped scalp hair, 0..1."""
    identity = body.identity
    beard = 0.0
    if identity.is_male and identity.child < 0.3 and rng.random() < 0.5:
        beard = float(rng.choice([rng.uniform(0.15, 0.5), rng.uniform(0.5, 1.0)]))
    scalp = float(rng.uniform(0.4, 1.0)) if rng.random() < 0.8 else 0.0
    return beard, scalp


def _eyes(body: Body, rng: np.random.Generator) -> list[Mesh]:
    points = body.fit("eyes/high-poly")
    spread, limit = np.array(GAZE_SPREAD_DEG), np.array(GAZE_LIMIT_DEG)
    pitch, yaw = np.radians(np.clip(rng.normal(0, spread), -limit, limit))
    turn = (about_y(yaw) @ about_x(pitch)).astype(np.float32)
    is_left = points[:, 0] > 0
    for side, centre in ((is_left, body.left_eye), (~is_left, body.right_eye)):
        points[side] = (points[side] - centre) @ turn.T + centre
    centre = np.where(is_left[:, None], body.left_eye, body.right_eye)
    above, aside = (points - centre)[:, 1], np.abs((points - centre)[:, 0])
    shade = rng.uniform(0.78, 0.98) - 1.6 * np.clip(above, -0.12, 0.14) - 1.1 * np.clip(aside - 0.1, 0, 0.2)
    iris = rng.choice(BROWN_EYES + (LIGHT_EYES if body.identity.ancestry[2] > 0.6 else []))
    material = Material("eye", texture=str(iris), tint=(0.86, 0.83, 0.8, 1), surface=(0.06, 0.04, 1.2, 1))
    return [body.piece_mesh("eyes/high-poly", points, material, occlusion=np.clip(shade, 0.15, 1.0))]


def _mouth(body: Body, rng: np.random.Generator) -> list[Mesh]:
    name = str(rng.choice(["teeth/teeth_base", "teeth/teeth_shape03"]))
    teeth = body.fit(name)
    teeth = (teeth - teeth.mean(0)) * np.array([0.86, 0.94, 0.92], np.float32) + teeth.mean(0) + [0, 0, -0.03]
    shade = np.clip((teeth[:, 2] - (teeth[:, 2].max() - 0.45)) / 0.45, 0.05, 1) * rng.uniform(0.8, 1.5)
    tint = np.array([1.0, 0.96, 0.88]) * rng.uniform(0.8, 1.15)
    enamel = Material("inner", "teeth", tint=rgba(tint), surface=(0.25, 0.04, 0.5, 1), casts_shadow=False)
    tongue = body.fit("tongue/tongue01")
    tongue = (tongue - tongue.mean(0)) * 0.9 + tongue.mean(0)
    flesh = Material(
        "inner", "tongue", tint=(0.9, 0.7, 0.7, 1), surface=(0.4, 0.03, 0.3, 1), casts_shadow=False
    )
    return [
        body.piece_mesh(name, teeth, enamel, occlusion=shade),
        body.piece_mesh("tongue/tongue01", tongue, flesh, occlusion=0.28),
    ]


def _brows_and_lashes(body: Body, hair_colour: FloatArray, rng: np.random.Generator) -> list[Mesh]:
    name = f"eyebrows/eyebrow{rng.integers(1, 13):03d}"
    colour = hair_colour * rng.uniform(0.35, 0.75) + 0.003
    brow = Material(
        "fringe",
        texture_of(name),
        tint=rgba(colour),
        surface=(0.7, 0.03, 0.2, rng.uniform(0.8, 1.6)),
        casts_shadow=False,
    )
    meshes = [body.piece_mesh(name, body.fit(name), brow)]
    if rng.random() < 0.9:
        name = f"eyelashes/eyelashes0{rng.integers(1, 5)}"
        opacity = 0.55 if body.identity.is_male else 0.9
        lash = Material(
            "fringe",
            texture_of(name),
            tint=(0.008, 0.006, 0.005, 1),
            surface=(0.7, 0.03, 0.1, opacity),
            casts_shadow=False,
        )
        meshes.append(body.piece_mesh(name, body.fit(name), lash))
    return meshes

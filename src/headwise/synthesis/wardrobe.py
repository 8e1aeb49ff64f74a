"""What a head wears: clothes, hair, hats, hoods, glasses, masks, headphones, and hands before the face."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from headwise.synthesis.assets import texture_of
from headwise.synthesis.body import Body
from headwise.synthesis.mesh import (
    FloatArray,
    IntArray,
    Material,
    Mesh,
    Topology,
    Vector4,
    ellipsoid,
    joined,
    rgba,
    ring_triangles,
    submesh,
    tube,
)

HAIR_FEMALE = {
    "bob01": 0.1,
    "bob02": 0.12,
    "long01": 0.25,
    "ponytail01": 0.19,
    "braid01": 0.12,
    "afro01": 0.08,
    "short03": 0.08,
    "short01": 0.06,
}
HAIR_MALE = {
    "short01": 0.2,
    "short02": 0.24,
    "short03": 0.2,
    "short04": 0.17,
    "afro01": 0.1,
    "long01": 0.06,
    "ponytail01": 0.03,
}
NOTHING_CLIPPED: Vector4 = (0, 1, 0, 99.0)
# Odds of what covers a head, in this order; the rest is bare or hair alone.
FEDORA, CAP, BEANIE, HOOD = 0.05, 0.09, 0.07, 0.05
MASK, GLASSES, SUNGLASSES_SHARE, HEADPHONES, HANDS, OBJECT = 0.05, 0.27, 0.25, 0.05, 0.07, 0.04


@dataclass(frozen=True)
class Outfit:
    """Clothes, their name, and the skin vertices they cover."""

    meshes: list[Mesh]
    name: str
    covered: IntArray | None = None


@dataclass(frozen=True)
class HeadCover:
    """Hair and headgear; above the plane `hair_clip` hair is not drawn (it would poke through a hat)."""

    name: str
    meshes: list[Mesh] = field(default_factory=list)
    hair_clip: Vector4 = NOTHING_CLIPPED


def dress(body: Body, rng: np.random.Generator) -> Outfit:
    """Clothes of the art for half of the people, our own shirt for most others; always a torso."""
    draw = rng.random()
    colour = _cloth_colour(rng)
    below = _torso_below(body, colour)
    if draw < 0.45:
        sex = "male" if body.identity.is_male else "female"
        names = [
            name
            for name in body.assets.names(f"clothes/{sex}")
            if body.assets.texture_path(texture_of(name)).is_file()
        ]
        name = str(rng.choice(names))
        tint = rng.uniform(0.4, 1.5, 3) if rng.random() < 0.6 else np.ones(3)
        grey = float(rng.choice([0, 0.9]))
        material = Material(
            "textile",
            texture_of(name),
            tint=rgba(tint),
            tint2=(grey, 0, 0, 0),
            surface=(0.8, 0.03, 0.5, 1),
        )
        mesh = body.piece_mesh(name, body.fit(name), material)
        return Outfit([mesh, *below], name, body.assets.pieces[name].covered)
    if draw < 0.94:
        return Outfit([*_shirt(body, colour, rng), *below], "shirt")
    return Outfit([], "bare")


def _cloth_colour(rng: np.random.Generator) -> FloatArray:
    if rng.random() < 0.35:
        return np.ones(3, np.float32) * np.float32(rng.choice([0.015, 0.03, 0.7, 0.8, 0.2]))
    return np.clip(rng.uniform(0.01, 0.6) * np.exp(rng.normal(0, 0.35, 3)), 0.005, 0.85).astype(np.float32)


def _cloth(
    colour: FloatArray,
    rng: np.random.Generator | None = None,
    *,
    pattern: tuple[float, float] = (0, 1),
    clip: Vector4 | None = None,
) -> Material:
    second = colour
    if rng is not None:
        second = np.clip(rng.uniform(0.01, 0.8, 3) * 0.4 + 0.6 * colour.mean(), 0.005, 0.85)
    return Material(
        "cloth",
        tint=rgba(colour),
        tint2=rgba(second, 0.0),
        surface=(0.87, 0.03, 0.4, 1),
        pattern=pattern,
        clip=clip,
    )


def _shirt(body: Body, colour: FloatArray, rng: np.random.Generator) -> list[Mesh]:
    """A shell a few millimetres off the skin, cut at a round, V or high neck."""
    assets, vertices = body.assets, body.vertices
    neck_y = float(assets.joint("neck", vertices)[1]) + rng.uniform(-0.75, 0.45)
    v_depth = rng.uniform(0, 0.8)
    x, y, z = vertices.T
    limit = neck_y - v_depth * np.clip(1 - np.abs(x) / 0.6, 0, 1) * (z > z.min() + 0.9)
    chosen = (y < limit + 0.45) & (assets.head_fraction < 0.9)
    triangles = assets.base.triangles[chosen[assets.base.triangles].all(1)]
    if not len(triangles):
        return []
    used, renumbered = submesh(triangles)
    normals = assets.base.normals(vertices)
    shell = vertices + normals * np.float32(rng.uniform(0.05, 0.1))
    pattern = (float(rng.choice([0, 0, 0, 0, 1, 2, 3, 4])), rng.uniform(1.5, 7))
    mesh = Mesh.plain(
        shell[used],
        renumbered,
        _cloth(colour, rng, pattern=pattern),
        normals=normals[used],
        occlusion=0.6 + 0.4 * assets.occlusion[used],
        cut=(y - limit)[used],
    )
    return [_following(mesh, assets.head_fraction[used])]


def _following(mesh: Mesh, head_fraction: FloatArray | float) -> Mesh:
    share = np.broadcast_to(np.asarray(head_fraction, np.float32), (len(mesh.points),))
    return Mesh(
        mesh.points, mesh.normals, mesh.triangles, mesh.material, mesh.uv, mesh.weights, mesh.tangents, share
    )


def _torso_below(body: Body, colour: FloatArray) -> list[Mesh]:
    """Chest to feet and the arms in cloth: the art ends at the chest, wide shots would show the cut."""
    skin = body.vertices[body.assets.body]
    bottom = float(skin[:, 1].min())
    rim = skin[skin[:, 1] < bottom + 0.6]
    half_width, half_depth = 1.95, float(np.ptp(rim[:, 2])) / 2 + 0.12
    centre_z = float(rim[:, 2].max() + rim[:, 2].min()) / 2
    y = np.array([bottom + 0.75, bottom + 0.2, bottom - 1.0, bottom - 2.5, bottom - 10.5])
    taper = np.array([0.9, 1.0, 0.95, 0.86, 0.6])
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    rings = np.stack(
        [
            half_width * taper[:, None] * np.cos(angle),
            np.broadcast_to(y[:, None], (5, 24)),
            centre_z + half_depth * taper[:, None] * np.sin(angle),
        ],
        -1,
    ).reshape(-1, 3)
    material = _cloth(colour)
    parts = [Mesh.plain(rings.astype(np.float32), ring_triangles(5, 24, closed=False), material)]
    for side in (-1, 1):
        arm = [
            [side * 2.55, bottom + 1.0, 0.0],
            [side * 2.75, bottom - 0.8, 0.05],
            [side * 2.8, bottom - 3.0, 0.4],
        ]
        parts.append(tube(np.array(arm) + np.array([0, 0, centre_z - 0.3]), 0.52, sides=10))
    return [_following(joined(parts, material), 0.0)]


def head_cover(body: Body, hair_colour: FloatArray, rng: np.random.Generator) -> HeadCover:
    """Hair, and a fedora, beanie, cap or hood on some."""
    draw = rng.random()
    if draw < HOOD:
        return _hood(body, rng)
    hair_name = _sample_hair(body, rng)
    if draw < HOOD + FEDORA:
        hat = _fedora(body, rng)
    elif draw < HOOD + FEDORA + CAP + BEANIE:
        hat = _knitted(body, rng, brim=draw < HOOD + FEDORA + CAP)
    else:
        hat = HeadCover("hair" if hair_name else "bald")
    hair = [] if hair_name is None else [_hair(body, hair_name, hair_colour, rng)]
    name = f"{hat.name}+{hair_name}" if hair_name else hat.name
    return HeadCover(name, [*hair, *hat.meshes], hat.hair_clip)


def _sample_hair(body: Body, rng: np.random.Generator) -> str | None:
    identity = body.identity
    odds, bald = (HAIR_MALE, 0.2) if identity.is_male else (HAIR_FEMALE, 0.04)
    if identity.is_male and identity.old > 0.5:
        bald = 0.5
    if rng.random() < bald:
        return None
    share = np.array(list(odds.values()))
    return str(rng.choice(list(odds), p=share / share.sum()))


def _hair(body: Body, name: str, colour: FloatArray, rng: np.random.Generator) -> Mesh:
    piece = f"hair/{name}"
    points = body.fit(piece)
    centre = np.array([0, 0.45, -0.3], np.float32)
    points = (points - centre) * rng.uniform([0.98, 0.97, 0.98], [1.12, 1.08, 1.12]).astype(
        np.float32
    ) + centre
    if rng.random() < 0.4:  # unruly: long waves push the hair in and out
        wave = rng.normal(0, 1, (3, 3)) * 2.2
        push = np.sin(points @ wave.T + rng.uniform(0, 6.28, 3)).mean(1, keepdims=True)
        points = points + (points - centre) * push * np.float32(rng.uniform(0.02, 0.07))
    if rng.random() < 0.5:  # parted the other way
        points = points * np.array([-1, 1, 1], np.float32)
    occlusion = np.clip(0.35 + (np.linalg.norm(points * [1, 0.9, 0.9], axis=1) - 0.7) / 0.9, 0.25, 1)
    material = Material(
        "hair",
        texture_of(piece),
        tint=rgba(colour),
        tint2=(rng.uniform(0, 1), 0, 0, body.assets.hair_luminance[piece]),
        surface=(0.6, 0.03, rng.uniform(0.3, 1.5), 1.15),
    )
    return body.piece_mesh(piece, points, material, occlusion=occlusion)


def _fedora(body: Body, rng: np.random.Generator) -> HeadCover:
    name = str(rng.choice(["hat/fedora", "hat/fedora_cocked"]))
    texture = str(rng.choice(["fedora_texture", "fedora_texture_black", "fedora_texture_grey"]))
    material = Material("textile", texture, tint=rgba(rng.uniform(0.5, 1.4, 3)), surface=(0.9, 0.03, 0.3, 1))
    mesh = body.piece_mesh(name, body.fit(name), material)
    return HeadCover("fedora", [mesh], (0, 1, 0.12, float(body.left_eye[1]) + 0.55))


def _knitted(body: Body, rng: np.random.Generator, *, brim: bool) -> HeadCover:
    """A beanie: the scalp pushed out along its normals above a slanted line; with a brim it is a cap."""
    assets, vertices = body.assets, body.vertices
    normals = assets.base.normals(vertices)
    eye_y, top_y = float(body.left_eye[1]), float(vertices[:, 1].max())
    slope, level = rng.uniform(0.1, 0.5), eye_y + rng.uniform(0.28, 0.55)
    rim = level - slope * 0.9
    above = vertices @ np.array([0, 1, -slope], np.float32)
    chosen = (above > rim - 0.12) & (assets.head_fraction > 0.9) & (np.abs(vertices[:, 0]) < 1.2)
    used, triangles = submesh(assets.base.triangles[chosen[assets.base.triangles].all(1)])
    points = vertices[used] + normals[used] * rng.uniform(0.1, 0.2)
    height = np.clip((vertices[used, 1] - level) / (top_y - level), 0, 1)
    points[:, 1] += height * rng.uniform(0, 0.3)
    topology = Topology.of(triangles, len(points))
    points = topology.smoothed(points.astype(np.float32), 2)
    colour = _cloth_colour(rng)
    pattern = (float(rng.choice([0, 0, 0, 1, 2])), rng.uniform(2, 8))
    material = _cloth(colour, rng, pattern=pattern, clip=(0, -1, slope, -rim))
    meshes = [Mesh.plain(points, triangles, material)]
    if brim:
        meshes.append(_brim(points, rim + slope * 0.9, colour, rng))
    return HeadCover("cap" if brim else "beanie", meshes, (0, 1, -slope, rim + 0.1))


def _brim(crown: FloatArray, level: float, colour: FloatArray, rng: np.random.Generator) -> Mesh:
    angle, width, length = np.linspace(-1.15, 1.15, 17), 0.72, rng.uniform(0.45, 0.8)
    inner = np.stack([width * np.sin(angle), np.full(17, level + 0.02), 0.12 + 0.85 * np.cos(angle)], 1)
    drop = -0.12 - 0.08 * np.abs(np.sin(angle))
    outer = inner + np.stack([0 * angle, drop, length * np.cos(angle * 0.95)], 1)
    front = crown[np.argmax(crown[:, 2]), 2]
    shift = np.array([0, 0, front - inner[8, 2] - 0.08])
    points = np.concatenate([inner + shift, outer + shift]).astype(np.float32)
    if rng.random() < 0.12:  # worn backwards
        points = points * np.array([-1, 1, -1], np.float32) + np.array(
            [0, 0, crown[:, 2].min() + front], np.float32
        )
    i = np.arange(16)
    triangles = np.concatenate(
        [np.stack([i, i + 1, 17 + i], 1), np.stack([i + 1, 18 + i, 17 + i], 1)]
    ).astype(np.int32)
    return Mesh.plain(points, triangles, _cloth(colour))


def _hood(body: Body, rng: np.random.Generator) -> HeadCover:
    """Head scarf or hood: a shell around head and neck with an opening for the face."""
    assets, vertices = body.assets, body.vertices
    normals = assets.base.normals(vertices)
    rest = assets.rest - np.array([0, 6.93, 0], np.float32)
    half_width, half_height = rng.uniform(0.6, 0.74), rng.uniform(0.72, 0.88)
    opening = 1 - np.sqrt((rest[:, 0] / half_width) ** 2 + (rest[:, 1] / half_height) ** 2)
    cut = np.where(rest[:, 2] > 0.35, opening, -1.0).astype(np.float32)
    shell = vertices + normals * np.float32(rng.uniform(0.09, 0.18))
    ears = (np.abs(vertices[:, 0]) > 0.72) & (assets.head_fraction > 0.9)
    shell[:, 0] = np.where(ears, np.sign(shell[:, 0]) * np.minimum(np.abs(shell[:, 0]), 0.86), shell[:, 0])
    low = float(assets.joint("neck", vertices)[1]) - 0.5
    chosen = (cut < 0.25) & (vertices[:, 1] > low) & (np.abs(vertices[:, 0]) < 1.6)
    used, triangles = submesh(assets.base.triangles[chosen[assets.base.triangles].all(1)])
    topology = Topology.of(triangles, len(used))
    points = topology.smoothed(shell[used].astype(np.float32), 6)
    points = points + topology.normals(points) * 0.04
    colour = _cloth_colour(rng)
    material = _cloth(colour, rng, pattern=(float(rng.choice([0, 0, 4])), rng.uniform(1.5, 5)))
    mesh = Mesh.plain(
        points, triangles, material, occlusion=0.5 + 0.5 * assets.occlusion[used], cut=cut[used]
    )
    return HeadCover("hood", [_following(mesh, assets.head_fraction[used])])


def accessories(body: Body, rng: np.random.Generator) -> list[Mesh]:
    """Mask, glasses, headphones, hands and held objects, each on a few of the people."""
    meshes: list[Mesh] = []
    if rng.random() < MASK:
        meshes.append(_mask(body, rng))
    if rng.random() < GLASSES:
        meshes += _glasses(body, rng, dark=rng.random() < SUNGLASSES_SHARE)
    if rng.random() < HEADPHONES:
        meshes.append(_headphones(body, rng))
    if rng.random() < HANDS:
        meshes.append(_hand(body, rng))
    if rng.random() < OBJECT:
        meshes.append(_held_object(rng))
    return meshes


def _mask(body: Body, rng: np.random.Generator) -> Mesh:
    """A surgical or cloth mask from the nose bridge to under the chin."""
    assets, vertices = body.assets, body.vertices
    normals = assets.base.normals(vertices)
    x, y, z = assets.rest.T
    top, side = rng.uniform(6.8, 7.02), np.abs(x)
    cut = np.maximum.reduce([y - top + 0.25 * side, 6.28 - y - 0.15 * side, side - 0.66]).astype(np.float32)
    chosen = (cut < 0.15) & (z > 0.55) & (assets.head_fraction > 0.95) & (assets.occlusion > 0.3)
    used, triangles = submesh(assets.base.triangles[chosen[assets.base.triangles].all(1)])
    topology = Topology.of(triangles, len(used))
    points = topology.smoothed((vertices[used] + normals[used] * 0.04).astype(np.float32), 8)
    points = points + topology.normals(points) * np.float32(rng.uniform(0.05, 0.1))
    dyes = np.array([[0.6, 0.75, 0.8], [0.8, 0.8, 0.8], [0.02, 0.02, 0.02], [0.3, 0.5, 0.7], [0.5, 0.1, 0.1]])
    colour = (dyes[rng.integers(5)] * rng.uniform(0.7, 1.1)).astype(np.float32)
    return Mesh.plain(points, triangles, _cloth(colour), occlusion=0.9, cut=cut[used])


def _glasses(body: Body, rng: np.random.Generator, *, dark: bool) -> list[Mesh]:
    """Super-elliptic rims, a bridge, temples to the ears, and lenses: clear or sunglasses."""
    left, right = body.left_eye, body.right_eye
    radius, aspect, power = rng.uniform(0.2, 0.3), rng.uniform(0.65, 1.0), rng.choice([2.0, 2.5, 3.5])
    front = max(left[2], right[2]) + rng.uniform(0.3, 0.36)
    wire = rng.uniform(0.006, 0.03)
    angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    cos, sin = np.cos(angle), np.sin(angle)
    frame: list[Mesh] = []
    lenses: list[Mesh] = []
    if dark:
        lens = Material(
            "lens",
            tint=rgba(rng.uniform(0, 0.06, 3), rng.uniform(0.6, 0.98)),
            surface=(0.05, 0.04, 1.6, 1),
            casts_shadow=False,
        )
    else:
        lens = Material(
            "lens", tint=(0.02, 0.02, 0.02, 0.12), surface=(0.05, 0.04, 1.0, 1), casts_shadow=False
        )
    for eye in (left, right):
        side = np.sign(eye[0])
        rim = np.stack(
            [
                eye[0] * 1.03 + radius * np.sign(cos) * np.abs(cos) ** (2 / power),
                eye[1] - 0.03 + radius * aspect * np.sign(sin) * np.abs(sin) ** (2 / power),
                front - 0.19 * (eye[0] * 1.03 + radius * cos) ** 2 + 0.05,
            ],
            1,
        )
        frame.append(tube(rim, wire, closed=True))
        lenses.append(_lens(rim, side, lens))
        hinge_x = np.abs(rim[:, 0]).max() * side
        ear = np.array([0.78 * side, eye[1] - 0.08, -0.05])
        temple = [
            [hinge_x, eye[1] + 0.05, rim[np.argmax(np.abs(rim[:, 0])), 2]],
            [hinge_x * 1.08 + 0.02 * side, eye[1] + 0.05, rim[:, 2].min() - 0.12],
            (ear + np.array([hinge_x * 1.05, eye[1] + 0.03, 0.6])) / 2,
            ear,
            ear + np.array([0, -0.15, -0.15]),
        ]
        frame.append(tube(np.array(temple), wire * 0.9))
    bridge = [
        [right[0] * 1.03 + radius, left[1] + 0.03, front + 0.05],
        [0, left[1] + 0.08, front + 0.09],
        [left[0] * 1.03 - radius, left[1] + 0.03, front + 0.05],
    ]
    frame.append(tube(np.array(bridge), wire))
    colour = rng.uniform(0.003, 0.05, 3) if rng.random() < 0.7 else rng.uniform(0.02, 0.5, 3)
    frame_material = Material("cloth", tint=rgba(colour), tint2=rgba(colour, 0.0), surface=(0.3, 0.05, 1, 1))
    return [joined(frame, frame_material), *lenses]


def _lens(rim: FloatArray, side: float, material: Material) -> Mesh:
    count = len(rim)
    centre = rim.mean(0)
    points = np.concatenate([rim, centre[None]]).astype(np.float32)
    i = np.arange(count)
    triangles = np.stack([i, (i + 1) % count, np.full(count, count)], 1).astype(np.int32)
    normals = np.tile(np.array([[side * 0.12, 0, 1]], np.float32), (count + 1, 1))
    normals[:count, :2] += (rim[:, :2] - centre[:2]) * 0.5
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Mesh.plain(points, triangles, material, normals=normals)


def _headphones(body: Body, rng: np.random.Generator) -> Mesh:
    """A band over the head and two cups on the ears."""
    vertices = body.vertices[body.assets.body]
    top = float(vertices[:, 1].max()) + rng.uniform(0.1, 0.22)
    half = 0.92 + rng.uniform(0, 0.08)
    ear_y = float(body.left_eye[1]) - 0.1
    angle = np.linspace(0, np.pi, 15)
    band = np.stack([half * np.cos(angle), ear_y + (top - ear_y) * np.sin(angle), np.full(15, 0.0)], 1)
    colour = rng.uniform(0.005, 0.08, 3) if rng.random() < 0.6 else rng.uniform(0.05, 0.8, 3)
    material = Material(
        "cloth",
        tint=rgba(colour),
        tint2=rgba(colour, 0.0),
        surface=(0.4, 0.05, 0.8, 1),
    )
    size = rng.uniform(0.25, 0.42)
    cups = [
        ellipsoid(
            np.array([side * (half - 0.02), ear_y, 0.02]), np.array([0.16, size, size * 0.85]), material
        )
        for side in (-1, 1)
    ]
    return joined([tube(band, rng.uniform(0.04, 0.09), sides=8), *cups], material)


def _hand(body: Body, rng: np.random.Generator) -> Mesh:
    """A fist or flat hand near chin, cheek, mouth or brow: a palm and four or five capsule fingers."""
    side = rng.choice([-1.0, 1.0])
    spot = np.array([rng.uniform(0.0, 0.75) * side, rng.uniform(-0.95, 0.5), rng.uniform(1.0, 1.35)])
    spot[2] -= 0.5 * spot[0] ** 2
    up = np.array([-side * rng.uniform(-0.3, 0.9), rng.uniform(0.3, 1.0), rng.uniform(-0.2, 0.2)])
    up /= np.linalg.norm(up)
    across = np.cross(up, [0, 0, 1.0])
    across /= np.linalg.norm(across)
    out = np.cross(across, up)
    size, curl = rng.uniform(0.85, 1.1), rng.uniform(0, 1.2)
    parts = [ellipsoid(spot, np.array([0.38, 0.42, 0.15]) * size, Material("cloth"))]
    for finger in range(4):
        base = spot + across * (finger - 1.5) * 0.19 * size + up * 0.34 * size
        bend = [base]
        heading = up * np.cos(0.2) + across * (finger - 1.5) * 0.08
        for joint in range(1, 4):
            turn = curl * joint / 2.5
            bend.append(bend[-1] + (heading * np.cos(turn) - out * np.sin(turn)) * 0.24 * size)
        parts.append(tube(np.array(bend), 0.085 * size, sides=7))
    thumb = np.array(
        [spot - up * 0.1, spot + across * 0.42 * size, spot + across * 0.6 * size + up * 0.3 * size]
    )
    parts.append(tube(thumb, 0.1 * size, sides=7))
    parts.append(
        tube(
            np.array([spot - up * 0.2, spot - up * 1.2 - out * 0.2, spot - up * 3.0 - out * 0.4]),
            0.27 * size,
            sides=9,
        )
    )
    dark = body.identity.ancestry[0]
    tone = np.array([0.55, 0.3, 0.2]) * np.exp(-1.6 * dark * rng.random() + rng.normal(0, 0.12))
    skin = Material(
        "cloth",
        tint=rgba(tone),
        tint2=rgba(tone * 0.85, 0.0),
        surface=(0.6, 0.03, 0.4, 1),
        pattern=(4, 5),
    )
    return joined(parts, skin)


def _held_object(rng: np.random.Generator) -> Mesh:
    """A microphone, cup or phone-sized block before or beside the lower face."""
    colour = rng.uniform(0.004, 0.7, 3) if rng.random() < 0.6 else np.full(3, rng.uniform(0.004, 0.05))
    material = Material(
        "cloth",
        tint=rgba(colour),
        tint2=rgba(colour, 0.0),
        surface=(0.35, 0.05, 0.8, 1),
    )
    spot = np.array([rng.uniform(-0.8, 0.8), rng.uniform(-1.1, -0.4), rng.uniform(1.3, 1.9)])
    radii = rng.uniform([0.12, 0.12, 0.08], [0.4, 0.5, 0.35])
    handle = tube(
        spot + np.array([[0, 0, 0], [0.1, -0.8, 0.1], [0.3, -2.2, -0.2]]), rng.uniform(0.07, 0.14), sides=8
    )
    return joined([ellipsoid(spot, radii, material), handle], material)

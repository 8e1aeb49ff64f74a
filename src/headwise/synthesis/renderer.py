"""Pixels from meshes: OpenGL 3.3 on EGL (no screen or GPU needed), ambient and two shadowed lights."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from headwise.errors import MissingExtra
from headwise.synthesis.assets import HeadAssets
from headwise.synthesis.light import DirectionalLight
from headwise.synthesis.mesh import FloatArray, Mesh, Vector4

KINDS = {"skin": 0, "eye": 1, "hair": 2, "textile": 3, "inner": 4, "fringe": 5, "lens": 6, "cloth": 7}
SOLID_KINDS = ("skin", "eye", "inner", "textile", "cloth")
TRANSLUCENT_ORDER = ("fringe", "hair", "lens")
SHADOW_MAP_PX = 512
SHADOW_RADIUS_DM = 3.2
SHADOW_BIAS = 0.012
HAIR_SOLID_ALPHA, HAIR_FAINT_ALPHA = 0.55, 0.03
HAIR_SHADOW_ALPHA = 0.35
FLOATS_PER_VERTEX = 14
VERTEX_CAPACITY, TRIANGLE_CAPACITY = 60_000, 120_000
NEVER_CLIPPED: Vector4 = (0, 1, 0, 99.0)


@dataclass(frozen=True)
class View:
    """A picture's geometry in eye axes (x right, y up, z to the viewer): `eye_from_head` [3,3], head position
    [3] in decimetres, focal length and principal point in pixels of a picture `width_px` x `height_px`."""

    eye_from_head: FloatArray
    head_in_eye_dm: FloatArray
    focal_px: float
    principal_px: tuple[float, float]
    width_px: int
    height_px: int


@dataclass(frozen=True)
class Lighting:
    """Environment by name and orientation, its diffuse harmonics [9,3], two directional lights, exposure."""

    environment: str
    environment_from_eye: FloatArray
    harmonics: FloatArray
    lights: tuple[DirectionalLight, DirectionalLight]
    exposure: float


class Renderer:
    """Holds the GL context; not shared between processes or threads."""

    def __init__(self, assets: HeadAssets, *, supersampling: float = 1.5) -> None:
        try:
            os.environ.setdefault("EGL_PLATFORM", "surfaceless")
            import moderngl
        except ImportError as error:
            raise MissingExtra("synthesis needs moderngl: pip install 'headwise[synth]'") from error
        self._gl: Any = moderngl
        self.assets = assets
        self.supersampling = supersampling
        self._context: Any = moderngl.create_context(standalone=True, backend="egl")  # type: ignore[arg-type]  # moderngl types its settings as a dict
        context = self._context
        self._vertices = context.buffer(reserve=4 * FLOATS_PER_VERTEX * VERTEX_CAPACITY, dynamic=True)
        self._indices = context.buffer(reserve=12 * TRIANGLE_CAPACITY, dynamic=True)
        self._programs: dict[tuple[int, int], tuple[Any, Any]] = {}
        self._targets: dict[tuple[int, int], tuple[Any, Any, Any]] = {}
        self._textures: dict[str, Any] = {}
        self._environments: dict[str, Any] = {}
        self._white = context.texture((1, 1), 4, b"\xff" * 4)

    def render(
        self, meshes: tuple[Mesh, ...], view: View, lighting: Lighting, hair_clip: Vector4
    ) -> tuple[NDArray[np.uint8], FloatArray]:
        """RGBA [h,w,4] (colour times alpha) and depth [h,w] in decimetres along the view (inf: empty)."""
        spans = self._upload(meshes)
        shadow_matrices = [
            self._shadow(i, light, meshes, spans, view, hair_clip) for i, light in enumerate(lighting.lights)
        ]
        width, height = (round(side * self.supersampling) for side in (view.width_px, view.height_px))
        _, depth, target = self._target(width, height)
        context = self._context
        target.use()
        target.clear(0, 0, 0, 0, depth=1.0)
        self._environment(lighting.environment).use(2)
        self._shadow_maps[0][0].use(3)
        self._shadow_maps[1][0].use(4)
        distance = -float(view.head_in_eye_dm[2])
        near, far = max(0.3, distance - 6), distance + 9
        shared = self._shared_uniforms(view, lighting, shadow_matrices, (near, far))
        light_count = 1 + int(lighting.lights[1].colour.sum() > 1e-4)
        context.enable(self._gl.DEPTH_TEST)
        context.disable(self._gl.BLEND | self._gl.CULL_FACE)
        for mesh, span in zip(meshes, spans, strict=True):
            if mesh.material.kind in SOLID_KINDS:
                self._draw(mesh, span, shared, light_count, hair_clip, (0.0, 2.0))
            elif mesh.material.kind == "hair":
                self._draw(mesh, span, shared, light_count, hair_clip, (HAIR_SOLID_ALPHA, 2.0))
        context.enable(self._gl.BLEND)
        gl = self._gl
        context.blend_func = (gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA, gl.ONE, gl.ONE_MINUS_SRC_ALPHA)
        target.depth_mask = False
        for kind in TRANSLUCENT_ORDER:
            below = HAIR_SOLID_ALPHA if kind == "hair" else 2.0
            for mesh, span in zip(meshes, spans, strict=True):
                if mesh.material.kind == kind:
                    self._draw(mesh, span, shared, light_count, hair_clip, (HAIR_FAINT_ALPHA, below))
        target.depth_mask = True
        context.disable(gl.BLEND)
        size = (view.width_px, view.height_px)
        picture = np.frombuffer(target.read(components=4), np.uint8).reshape(height, width, 4)[::-1]
        stored = np.frombuffer(depth.read(), np.float32).reshape(height, width)[::-1]
        shrunk = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        sampled = cv2.resize(stored, size, interpolation=cv2.INTER_NEAREST)
        metric = 2 * near * far / (far + near - (2 * sampled - 1) * (far - near))
        return shrunk.astype(np.uint8), np.where(sampled >= 1, np.inf, metric).astype(np.float32)

    def backdrop(
        self,
        environment: str,
        environment_from_eye: FloatArray,
        half_extent: tuple[float, float],
        size: tuple[int, int],
        *,
        blur_level: float,
        exposure: float,
        offset: tuple[float, float] = (0, 0),
    ) -> NDArray[np.uint8]:
        """RGB view [h,w,3] of an environment; `half_extent` is the tangent of half the view in x and y."""
        width, height = size
        _, _, target = self._target(width, height)
        target.use()
        self._context.disable(self._gl.DEPTH_TEST)
        program, quad = self._backdrop_program
        self._environment(environment).use(0)
        program["environment"].value = 0
        program["environment_from_eye"].write(_columns(environment_from_eye))
        program["half_extent"].value = half_extent
        program["offset"].value = offset
        program["lod"].value = blur_level
        program["exposure"].value = exposure
        quad.render(self._gl.TRIANGLE_STRIP)
        return np.frombuffer(target.read(components=4), np.uint8).reshape(height, width, 4)[::-1, :, :3]

    def _upload(self, meshes: tuple[Mesh, ...]) -> list[tuple[int, int]]:
        """Write all meshes into the two buffers; returns (first index, index count) of each."""
        vertices, indices, spans = [], [], []
        base = first = 0
        for mesh in meshes:
            block = np.zeros((len(mesh.points), FLOATS_PER_VERTEX), np.float32)
            block[:, :3], block[:, 3:6], block[:, 6:8], block[:, 8:11] = (
                mesh.points,
                mesh.normals,
                mesh.uv,
                mesh.weights,
            )
            if mesh.tangents is not None:
                block[:, 11:14] = mesh.tangents
            vertices.append(block)
            indices.append(mesh.triangles.astype(np.int32) + base)
            spans.append((first, mesh.triangles.size))
            base += len(mesh.points)
            first += mesh.triangles.size
        self._vertices.write(np.concatenate(vertices).tobytes())
        self._indices.write(np.concatenate(indices).tobytes())
        return spans

    def _shadow(
        self,
        index: int,
        light: DirectionalLight,
        meshes: tuple[Mesh, ...],
        spans: list[tuple[int, int]],
        view: View,
        hair_clip: Vector4,
    ) -> FloatArray:
        matrix = _light_from_head(view.eye_from_head.T @ light.direction)
        if light.colour.sum() < 1e-4:
            return matrix
        program, array = self._shadow_program
        target = self._shadow_maps[index][1]
        target.use()
        target.clear(depth=1.0)
        self._context.enable(self._gl.DEPTH_TEST)
        self._context.disable(self._gl.BLEND | self._gl.CULL_FACE)
        program["light_from_head"].write(_columns(matrix))
        for mesh, (first, count) in zip(meshes, spans, strict=True):
            material = mesh.material
            if not material.casts_shadow:
                continue
            is_hair = material.kind == "hair"
            self._texture(material.texture).use(0)
            program["alpha_from"].value = HAIR_SHADOW_ALPHA if is_hair else 0.0
            program["clip_plane"].value = hair_clip if is_hair else material.clip or NEVER_CLIPPED
            array.render(self._gl.TRIANGLES, vertices=count, first=first)
        return matrix

    def _shared_uniforms(
        self, view: View, lighting: Lighting, shadows: list[FloatArray], depth_range: tuple[float, float]
    ) -> dict[str, Any]:
        u, v = view.principal_px
        offset = (2 * u / view.width_px - 1, 1 - 2 * v / view.height_px)
        focal = (2 * view.focal_px / view.width_px, 2 * view.focal_px / view.height_px)
        uniforms: dict[str, Any] = {
            "albedo_map": 0,
            "body_map": 1,
            "environment": 2,
            "shadow0_map": 3,
            "shadow1_map": 4,
            "projection": (*focal, *offset),
            "depth_range": depth_range,
            "head_in_eye": tuple(map(float, view.head_in_eye_dm)),
            "exposure": lighting.exposure,
            "shadow_bias": SHADOW_BIAS,
            "eye_from_head": _columns(view.eye_from_head),
            "environment_from_eye": _columns(lighting.environment_from_eye),
            "harmonics": np.ascontiguousarray(lighting.harmonics, np.float32).tobytes(),
        }
        for i, light in enumerate(lighting.lights):
            uniforms[f"light{i}_from_head"] = _columns(shadows[i])
            uniforms[f"light{i}_direction"] = tuple(map(float, light.direction))
            uniforms[f"light{i}_colour"] = tuple(map(float, light.colour))
            uniforms[f"light{i}_softness"] = light.softness
        return uniforms

    def _draw(
        self,
        mesh: Mesh,
        span: tuple[int, int],
        shared: dict[str, Any],
        light_count: int,
        hair_clip: Vector4,
        alpha: tuple[float, float],
    ) -> None:
        material = mesh.material
        program, array = self._program(KINDS[material.kind], light_count)
        clip = material.clip or (hair_clip if material.kind == "hair" else NEVER_CLIPPED)
        own = {
            "tint": material.tint,
            "tint2": material.tint2,
            "makeup": material.makeup,
            "surface": material.surface,
            "pattern": material.pattern,
            "clip_plane": clip,
            "alpha_from": alpha[0],
            "alpha_below": alpha[1],
        }
        for name, value in (shared | own).items():
            if name in program:
                if isinstance(value, bytes):
                    program[name].write(value)
                else:
                    program[name].value = value
        self._texture(material.texture).use(0)
        self._texture(material.second_texture).use(1)
        array.render(self._gl.TRIANGLES, vertices=span[1], first=span[0])

    def _program(self, kind: int, light_count: int) -> tuple[Any, Any]:
        key = (kind, light_count)
        if key not in self._programs:
            fragment = (
                _shader("mesh.frag").replace("KIND_VALUE", str(kind)).replace("LIGHT_COUNT", str(light_count))
            )
            program = self._context.program(vertex_shader=_shader("mesh.vert"), fragment_shader=fragment)
            layout = [("3f", "12x", "position"), ("3f", "12x", "normal"), ("2f", "8x", "texcoord")]
            layout += [("3f", "12x", "weights"), ("3f", "12x", "tangent")]
            used = [name for _, _, name in layout if name in program]
            pattern = " ".join(kept if name in program else skipped for kept, skipped, name in layout)
            array = self._context.vertex_array(program, [(self._vertices, pattern, *used)], self._indices)
            self._programs[key] = (program, array)
        return self._programs[key]

    @cached_property
    def _shadow_program(self) -> tuple[Any, Any]:
        program = self._context.program(
            vertex_shader=_shader("shadow.vert"), fragment_shader=_shader("shadow.frag")
        )
        content = [(self._vertices, "3f 12x 2f 24x", "position", "texcoord")]
        return program, self._context.vertex_array(program, content, self._indices)

    @cached_property
    def _backdrop_program(self) -> tuple[Any, Any]:
        program = self._context.program(
            vertex_shader=_shader("backdrop.vert"), fragment_shader=_shader("backdrop.frag")
        )
        corners = self._context.buffer(np.array([-1, -1, 1, -1, -1, 1, 1, 1], np.float32).tobytes())
        return program, self._context.vertex_array(program, [(corners, "2f", "position")])

    @cached_property
    def _shadow_maps(self) -> list[tuple[Any, Any]]:
        maps = []
        for _ in range(2):
            texture = self._context.depth_texture((SHADOW_MAP_PX, SHADOW_MAP_PX))
            texture.compare_func = "<="
            texture.filter = (self._gl.LINEAR, self._gl.LINEAR)
            maps.append((texture, self._context.framebuffer(depth_attachment=texture)))
        return maps

    def _target(self, width: int, height: int) -> tuple[Any, Any, Any]:
        key = (width, height)
        if key not in self._targets:
            if len(self._targets) > 64:
                for parts in self._targets.values():
                    for part in reversed(parts):
                        part.release()
                self._targets.clear()
            colour = self._context.texture(key, 4)
            depth = self._context.depth_texture(key)
            self._targets[key] = (colour, depth, self._context.framebuffer([colour], depth))
        return self._targets[key]

    def _texture(self, name: str | None) -> Any:
        if name is None:
            return self._white
        if name not in self._textures:
            picture = self.assets.texture(name)
            texture = self._context.texture(
                (picture.shape[1], picture.shape[0]), 4, np.ascontiguousarray(picture).tobytes()
            )
            texture.build_mipmaps()
            texture.filter = (self._gl.LINEAR_MIPMAP_LINEAR, self._gl.LINEAR)
            texture.repeat_x = texture.repeat_y = True
            self._textures[name] = texture
        return self._textures[name]

    def _environment(self, name: str) -> Any:
        if name not in self._environments:
            light = np.minimum(self.assets.environment(name), 40).astype(np.float16)
            texture = self._context.texture((light.shape[1], light.shape[0]), 3, light.tobytes(), dtype="f2")
            texture.build_mipmaps()
            texture.filter = (self._gl.LINEAR_MIPMAP_LINEAR, self._gl.LINEAR)
            texture.repeat_y = False
            self._environments[name] = texture
        return self._environments[name]


def _shader(name: str) -> str:
    return (resources.files("headwise.synthesis") / "shaders" / name).read_text()


def _columns(matrix: FloatArray) -> bytes:
    """A matrix as OpenGL reads it: column by column."""
    return np.ascontiguousarray(np.asarray(matrix).T, np.float32).tobytes()


def _light_from_head(direction: FloatArray) -> FloatArray:
    """Orthographic view [4,4] along a light over a ball around head and shoulders."""
    z = direction / (np.linalg.norm(direction) + 1e-9)
    x = np.cross([0, 1, 0] if abs(z[1]) < 0.95 else [1, 0, 0], z)
    x /= np.linalg.norm(x)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([x, np.cross(z, x), -z]) / SHADOW_RADIUS_DM
    matrix[:3, 3] = -(matrix[:3, :3] @ np.array([0, -0.6, 0]))
    return matrix

#version 330
in vec2 uv; in vec3 head_position; uniform sampler2D albedo_map; uniform float alpha_from; uniform vec4 clip_plane;
void main() {
  if (alpha_from > 0. && texture(albedo_map, vec2(uv.x, 1. - uv.y)).a < alpha_from) discard;
  if (clip_plane.w < 50. && dot(head_position, clip_plane.xyz) > clip_plane.w) discard;
}

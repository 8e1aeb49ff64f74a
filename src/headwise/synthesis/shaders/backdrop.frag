#version 330
in vec2 ndc; out vec4 colour_out; uniform sampler2D environment; uniform mat3 environment_from_eye; uniform vec2 half_extent;
uniform vec2 offset; uniform float lod; uniform float exposure;
void main() {
  vec3 d = normalize(environment_from_eye * vec3((ndc - offset) * half_extent, -1.));
  vec2 q = vec2(atan(d.x, -d.z) / 6.2831853 + .5, acos(clamp(d.y, -1., 1.)) / 3.14159265);
  vec3 c = textureLod(environment, q, lod).rgb * exposure;
  c = c * (1. + c / 6.) / (1. + c * .62) * 1.04;
  colour_out = vec4(pow(clamp(c, 0., 1.), vec3(1. / 2.2)), 1.);
}

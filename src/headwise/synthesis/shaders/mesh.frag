#version 330
const int KIND = KIND_VALUE;
const int SKIN = 0, EYE = 1, HAIR = 2, TEXTILE = 3, INNER = 4, FRINGE = 5, LENS = 6, CLOTH = 7;
in vec3 eye_tangent; in vec3 eye_position; in vec3 eye_normal; in vec2 uv; in vec3 shading; in vec3 head_position;
in vec4 shadow0_position; in vec4 shadow1_position;
out vec4 colour_out;
uniform sampler2D albedo_map; uniform sampler2D body_map; uniform sampler2D environment;
uniform sampler2DShadow shadow0_map; uniform sampler2DShadow shadow1_map;
uniform vec3 harmonics[9]; uniform mat3 environment_from_eye;
uniform vec3 light0_direction; uniform vec3 light0_colour; uniform vec3 light1_direction; uniform vec3 light1_colour;
uniform float light0_softness; uniform float light1_softness; uniform float shadow_bias;
uniform vec4 tint; uniform vec4 tint2; uniform vec4 surface; uniform vec4 makeup; uniform vec2 pattern; uniform vec4 clip_plane;
uniform float alpha_from; uniform float alpha_below; uniform float exposure;

float luminance(vec3 c) { return dot(c, vec3(.3, .59, .11)); }
vec3 linear(vec3 c) { return pow(c, vec3(2.2)); }
float hash(vec2 p) { p = fract(p * vec2(123.34, 456.21)); p += dot(p, p + 45.32); return fract(p.x * p.y); }
float noise(vec2 p) {
  vec2 i = floor(p), f = fract(p); f = f * f * (3. - 2. * f);
  return mix(mix(hash(i), hash(i + vec2(1, 0)), f.x), mix(hash(i + vec2(0, 1)), hash(i + vec2(1, 1)), f.x), f.y);
}
// Irradiance of the environment without its key light (Ramamoorthi and Hanrahan 2001); k1, k2 soften it for skin.
vec3 irradiance(vec3 n, float k1, float k2) {
  n = environment_from_eye * n;
  return max(harmonics[0] + k1 * (harmonics[1] * n.y + harmonics[2] * n.z + harmonics[3] * n.x)
    + k2 * (harmonics[4] * n.x * n.y + harmonics[5] * n.y * n.z + harmonics[6] * (3. * n.z * n.z - 1.)
            + harmonics[7] * n.x * n.z + harmonics[8] * (n.x * n.x - n.y * n.y)), 0.);
}
vec3 reflected(vec3 d, float lod) {
  d = environment_from_eye * d;
  vec2 q = vec2(atan(d.x, -d.z) / 6.2831853 + .5, acos(clamp(d.y, -1., 1.)) / 3.14159265);
  return textureLod(environment, q, lod).rgb;
}
float lit(sampler2DShadow map, vec4 position, float softness) {
  vec3 q = position.xyz / position.w * .5 + .5;
  if (any(lessThan(q, vec3(0.))) || any(greaterThan(q, vec3(1.)))) return 1.;
  float sum = texture(map, vec3(q.xy, q.z - shadow_bias));
  for (int i = -1; i <= 1; i += 2) for (int j = -1; j <= 1; j += 2)
    sum += texture(map, vec3(q.xy + vec2(float(i) + .3 * float(j), float(j) - .3 * float(i)) * softness, q.z - shadow_bias));
  return sum / 5.;
}
float ggx(float nh, float a) { float a2 = a * a, d = nh * nh * (a2 - 1.) + 1.; return a2 / (3.14159 * d * d); }
vec3 display(vec3 c) { c *= exposure; c = c * (1. + c / 6.) / (1. + c * .62) * 1.04; return pow(clamp(c, 0., 1.), vec3(1. / 2.2)); }

vec4 skin_texel() { // the head texture covers a rectangle of the body's texture at a higher resolution
  vec2 q = vec2((uv.x * 2048. - 1290.) / 758., ((1. - uv.y) * 2048. - 340.) / 1450.);
  vec2 dx = dFdx(uv), dy = dFdy(uv), grow = vec2(2.70, -1.412);
  if (q.x > .004 && q.x < .996 && q.y > .004 && q.y < .996) return textureGrad(albedo_map, q, dx * grow, dy * grow);
  return textureGrad(body_map, vec2(uv.x, 1. - uv.y), dx, dy);
}
float cloth_pattern() {
  vec3 w = head_position * pattern.y;
  if (pattern.x < .5) return 0.;
  if (pattern.x < 1.5) return step(.5, fract(w.y));
  if (pattern.x < 2.5) return step(.5, fract(w.x));
  if (pattern.x < 3.5) return .5 * step(.5, fract(w.x)) + .5 * step(.5, fract(w.y));
  return smoothstep(.4, .6, noise(w.xy * 1.7) * .6 + noise(w.xy * 4.) * .4);
}
void main() {
  vec3 n = normalize(eye_normal), v = normalize(-eye_position);
  bool behind = dot(n, v) < 0.;
  vec4 texel; float occlusion = shading.x, alpha = 1.;
  if (KIND == SKIN) texel = skin_texel();
  else if (KIND == CLOTH || KIND == LENS) texel = vec4(1);
  else texel = texture(albedo_map, vec2(uv.x, 1. - uv.y));
  if (KIND == HAIR || KIND == FRINGE) {
    alpha = clamp(texel.a * surface.w, 0., 1.);
    if (alpha < alpha_from || alpha >= alpha_below) discard;
  }
  if (KIND == EYE && texel.a < .3) discard;
  if ((KIND == SKIN || KIND == INNER) && !gl_FrontFacing) discard;
  if (KIND == CLOTH && shading.z > 0.) discard;
  if ((KIND == HAIR || KIND == CLOTH) && clip_plane.w < 50. && dot(head_position, clip_plane.xyz) > clip_plane.w) discard;

  vec3 albedo = linear(texel.rgb);
  if (KIND == SKIN) {
    albedo *= tint.rgb * mix(vec3(1.), makeup.rgb, clamp(shading.z, 0., 1.)) * (1. - makeup.w * clamp(-shading.z, 0., 1.));
    float height = luminance(texel.rgb) * tint2.w; // bumps from the picture's own brightness (Mikkelsen 2010)
    vec3 px = dFdx(eye_position), py = dFdy(eye_position), r1 = cross(py, n), r2 = cross(n, px);
    float det = dot(px, r1);
    n = normalize(abs(det) * n - sign(det) * (dFdx(height) * r1 + dFdy(height) * r2));
    float stubble = shading.y;
    if (stubble > .01) {
      float grain = .55 + .45 * noise(uv * 900.) + .25 * (noise(uv * 220.) - .5);
      albedo = mix(albedo, tint2.rgb, clamp(stubble * grain * 1.3, 0., 1.));
    }
  } else if (KIND == EYE || KIND == INNER) albedo *= tint.rgb;
  else if (KIND == HAIR) {
    float relative = clamp(luminance(texel.rgb) / tint2.w, .4, 1.9);
    float strands = .75 + .5 * noise(uv * vec2(700., 9.)) * (.5 + .5 * noise(uv * vec2(60., 5.)));
    albedo = tint.rgb * pow(relative, mix(2., .9, smoothstep(.03, .35, luminance(tint.rgb))));
    albedo *= mix(1., strands, tint2.x);
  } else if (KIND == FRINGE) albedo = tint.rgb;
  else if (KIND == TEXTILE) albedo = mix(albedo, vec3(luminance(albedo)), tint2.x) * tint.rgb;
  else if (KIND == CLOTH) {
    albedo = mix(tint.rgb, tint2.rgb, cloth_pattern());
    albedo *= .75 + .5 * noise(head_position.xy * vec2(60, 60) + head_position.z * 40.);
    albedo *= .85 + .3 * noise(head_position.xy * 3. + head_position.z);
  }
  if (KIND != SKIN && KIND != EYE && behind) n = -n;

  float roughness = surface.x; vec3 r = reflect(-v, n); float nv = clamp(dot(n, v), .02, 1.);
  bool skin = KIND == SKIN;
  vec3 diffuse = irradiance(n, skin ? .93 : 1., skin ? .8 : 1.) * occlusion;
  if (skin) diffuse *= mix(vec3(1.), vec3(1.12, .98, .94), 1. - occlusion);
  float fresnel = surface.y + (1. - surface.y) * pow(1. - nv, 5.) * (1. - roughness) * (skin ? .3 : .6);
  vec3 specular = reflected(r, roughness * 6.5) * fresnel * occlusion * occlusion
                * (KIND == HAIR ? .25 : skin ? .55 : 1.) * (skin ? surface.z : 1.);
  vec3 directions[2] = vec3[2](light0_direction, light1_direction);
  vec3 colours[2] = vec3[2](light0_colour, light1_colour);
  for (int i = 0; i < LIGHT_COUNT; i++) {
    float shadow = i == 0 ? lit(shadow0_map, shadow0_position, light0_softness) : lit(shadow1_map, shadow1_position, light1_softness);
    float nl = dot(n, directions[i]);
    vec3 wrap = skin ? vec3(.34, .16, .09) : KIND == HAIR ? vec3(.25) : vec3(.02); // light bleeds under skin
    vec3 lambert = clamp((vec3(nl) + wrap) / (1. + wrap), 0., 1.);
    if (skin) lambert = mix(lambert * lambert, lambert, .35 + .65 * step(0., nl));
    diffuse += colours[i] * lambert * (skin ? pow(vec3(shadow), vec3(.75, 1.05, 1.15)) : vec3(shadow)) * mix(1., occlusion, .4);
    vec3 h = normalize(directions[i] + v); float nh = clamp(dot(n, h), 0., 1.);
    if (KIND == HAIR) { // two lobes around the strand (Kajiya and Kay 1989)
      float th = dot(normalize(eye_tangent + 1e-5), h), across = max(0., 1. - th * th);
      specular += colours[i] * (pow(across, 40.) * .10 + pow(across, 9.) * .03) * shadow * max(0., nl * .7 + .3) * surface.z;
    } else if (skin) {
      float a = roughness * roughness, lobes = .8 * ggx(nh, a) + .2 * ggx(nh, a * .55);
      specular += colours[i] * min(lobes, 3.5) * fresnel * .5 * shadow * max(nl, 0.) * surface.z * smoothstep(.25, .85, occlusion);
    } else {
      float a = roughness * roughness, lobes = .75 * ggx(nh, a) + .25 * ggx(nh, a * .45);
      specular += colours[i] * min(lobes, 60.) * fresnel * .785 * shadow * max(nl, 0.) * surface.z;
    }
  }
  vec3 colour = albedo * diffuse + specular;
  if (KIND == LENS) {
    alpha = tint.w;
    colour = reflected(r, 1.5) * (.04 + .6 * pow(1. - nv, 4.)) * surface.z + tint.rgb * diffuse * .3 * tint.w;
  }
  if (KIND == HAIR) colour *= mix(.55, 1., shading.x);
  bool solid_hair = (KIND == HAIR || KIND == FRINGE) && alpha_from > .4;
  colour_out = vec4(display(colour), solid_hair ? 1. : alpha);
}

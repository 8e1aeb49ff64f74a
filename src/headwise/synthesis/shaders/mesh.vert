#version 330
in vec3 position; in vec3 normal; in vec2 texcoord; in vec3 weights; in vec3 tangent;
uniform vec4 projection;  // 2 fx / width, 2 fy / height, principal point offset in NDC x, y
uniform vec2 depth_range; // near, far
uniform mat3 eye_from_head; uniform vec3 head_in_eye; uniform mat4 light0_from_head; uniform mat4 light1_from_head;
out vec3 eye_position; out vec3 eye_normal; out vec2 uv; out vec3 shading; out vec3 head_position;
out vec4 shadow0_position; out vec4 shadow1_position; out vec3 eye_tangent;
void main() {
  vec3 p = eye_from_head * position + head_in_eye;
  eye_position = p; eye_normal = eye_from_head * normal; eye_tangent = eye_from_head * tangent;
  uv = texcoord; shading = weights; head_position = position;
  shadow0_position = light0_from_head * vec4(position, 1.); shadow1_position = light1_from_head * vec4(position, 1.);
  float z = -p.z, near = depth_range.x, far = depth_range.y;
  gl_Position = vec4(projection.x * p.x + projection.z * z, projection.y * p.y + projection.w * z,
                     (far + near) / (far - near) * z - 2. * near * far / (far - near), z);
}

#version 330
in vec3 position; in vec2 texcoord; uniform mat4 light_from_head; out vec2 uv; out vec3 head_position;
void main() { uv = texcoord; head_position = position; gl_Position = light_from_head * vec4(position, 1.); }

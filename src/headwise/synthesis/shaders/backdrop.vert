#version 330
in vec2 position; out vec2 ndc; void main() { ndc = position; gl_Position = vec4(position, .99999, 1.); }

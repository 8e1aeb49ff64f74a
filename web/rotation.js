// Rotations as three rows of three numbers, and the camera: siblings of rotation.py and camera.py.

const DEG = 180 / Math.PI;

/** c_from_a = c_from_b, b_from_a. */
export function product(a, b) {
  return a.map((row) => [0, 1, 2].map((j) => row[0] * b[0][j] + row[1] * b[1][j] + row[2] * b[2][j]));
}

/** Degrees of Ry(yaw) Rx(-pitch) Rz(roll); roll is 0 below that cosine. Signs: docs/conventions.md. */
export function azimuthAngles(m, singularity) {
  const cosine = Math.hypot(m[0][2], m[2][2]);
  const pitch_deg = Math.atan2(m[1][2], cosine) * DEG;
  if (cosine < singularity) return { yaw_deg: Math.atan2(-m[2][0], m[0][0]) * DEG, pitch_deg, roll_deg: 0 };
  const yaw_deg = Math.atan2(m[0][2], m[2][2]) * DEG;
  return { yaw_deg, pitch_deg, roll_deg: Math.atan2(m[1][0], m[1][1]) * DEG };
}

/** Square pixels, principal point in the middle, fov_deg over the longer side. */
export function cameraFromFov(width_px, height_px, fov_deg) {
  const focal_px = Math.max(width_px, height_px) / 2 / Math.tan(fov_deg / DEG / 2);
  const [cx, cy] = [width_px / 2, height_px / 2];
  return { fx: focal_px, fy: focal_px, cx, cy, width_px, height_px, distortion: [] };
}

/** The smallest rotation that takes +z onto the ray through a pixel [x, y]. */
export function cameraFromRay(camera, [x_px, y_px]) {
  const slope_x = (x_px - camera.cx) / camera.fx;
  const slope_y = (y_px - camera.cy) / camera.fy;
  const z = 1 / Math.hypot(slope_x, slope_y, 1);
  const [x, y] = [slope_x * z, slope_y * z];
  const near = 1 / (1 + z); // rays point forward, so 1 + z > 1
  return [
    [1 - x * x * near, -x * y * near, x],
    [-x * y * near, 1 - y * y * near, y],
    [-x, -y, z],
  ];
}

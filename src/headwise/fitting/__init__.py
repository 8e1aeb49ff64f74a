"""From 68 points to a 3D head: a statistical shape model, its fit to a face, and the mesh that follows."""

"""A bank of small programming problems, and a procedural teacher that explains them."""

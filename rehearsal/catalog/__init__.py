"""What the cloud offers: regions, sizes, stock images, limits. Shapes as in the API."""

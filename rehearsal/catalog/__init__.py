"""What the cloud offers: regions, sizes, stock images and account limits."""

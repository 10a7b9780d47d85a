"""The stand-in for pulumi-resource-tls."""

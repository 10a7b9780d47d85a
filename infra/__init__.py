"""The cluster as Pulumi components: what is made, in which order, and what is checked before."""

"""The programs that the cluster's jobs run, and how each is packed into one file."""
